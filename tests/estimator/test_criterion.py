"""The dose rate against the fingerprint: what is a rise, and how rarely it is none."""

import math

import numpy as np
import pytest

from gateway.estimator.container import ContainerModel, read_container
from gateway.estimator.criterion import DoseCriterion, Judged
from gateway.estimator.expected import source_rate_per_s
from schemas.contents import Contents
from schemas.records import (
    Conditions,
    DetectorSummary,
    Fingerprint,
    FingerprintStep,
    Report,
    SensorSummary,
)
from tests.builders import START_NS, contents
from tests.gateway.station_rig import MODEL

NS = 10**9
MINUTE_NS = 60 * NS
UPRIGHT = (0.0, 0.0, -1.0)


@pytest.fixture(scope="module")
def model() -> ContainerModel:
    return read_container(MODEL.read_bytes(), str(MODEL))


class Trip:
    """One vial and its detectors, with a background of the place and counting noise."""

    def __init__(self, model: ContainerModel, seed: int) -> None:
        self.model = model
        self.vial: Contents = contents()
        self.rng = np.random.default_rng(seed)
        self.criterion = DoseCriterion(model)
        self.background = {d.sensor: self._background(d) for d in model.detectors}
        self.criterion.follow(self.vial, None)
        self.criterion.take_fingerprint(self.fingerprint())

    def _background(self, detector: object) -> float:
        found = next(d for d in self.model.detectors if d is detector)
        drawn = self.rng.normal(
            found.background_rate_per_s, found.background_rate_u_per_s
        )
        return max(0.05, float(drawn))

    def move_on(self) -> None:
        """Another place has another background."""
        self.background = {d.sensor: self._background(d) for d in self.model.detectors}

    def counts(
        self, begin_ns: int, end_ns: int, factor: float
    ) -> tuple[DetectorSummary, ...]:
        seconds = (end_ns - begin_ns) / NS
        age_s = ((begin_ns + end_ns) // 2 + START_NS - self.vial.reference_at_ns) / NS
        return tuple(
            DetectorSummary(
                detector.sensor,
                int(
                    self.rng.poisson(
                        seconds
                        * (
                            factor * source_rate_per_s(detector, self.vial, age_s)
                            + self.background[detector.sensor]
                        )
                    )
                ),
                end_ns - begin_ns,
                end_ns - begin_ns,
                60,
                60,
                25.0,
            )
            for detector in self.model.detectors
        )

    def fingerprint(self) -> Fingerprint:
        return Fingerprint(
            step=FingerprintStep.LOADED,
            counter=1,
            from_boot_ns=0,
            to_boot_ns=600 * NS,
            detectors=self.counts(0, 600 * NS, 1.0),
            attitude=UPRIGHT,
            pressure_hpa=1013.25,
            conditions=Conditions(False, True, False, False, START_NS, 0),
        )

    def minute(self, number: int, factor: float = 1.0) -> list[Judged]:
        begin_ns = number * MINUTE_NS
        report = Report(
            from_boot_ns=begin_ns,
            to_boot_ns=begin_ns + MINUTE_NS,
            sensors=(SensorSummary("board/pressure-0", "pressure_hpa", 1, 1, 1013.25),),
            detectors=self.counts(begin_ns, begin_ns + MINUTE_NS, factor),
            lines=(),
            attitude=UPRIGHT,
            conditions=Conditions(False, True, False, False, START_NS, 0),
        )
        found = self.criterion.take(report)
        assert found is not None
        return found


def test_forty_trips_of_six_places_raise_no_alarm(model: ContainerModel) -> None:
    exceeded, raised = 0, 0
    for seed in range(40):
        trip = Trip(model, seed)
        for number in range(10, 130):
            if number % 20 == 0:
                trip.move_on()
            found = trip.minute(number)
            exceeded += any(judged.is_exceeded for judged in found)
            raised += any(judged.is_raised or judged.is_lowered for judged in found)
    assert exceeded == 0
    # 4,800 minutes: three standard deviations of a background is a rare place.
    assert raised <= 48


def test_ratios_are_one_and_their_uncertainty_is_true(model: ContainerModel) -> None:
    away = []
    for seed in range(60):
        trip = Trip(model, 1000 + seed)
        trip.move_on()
        for number in range(10, 21):
            found = trip.minute(number)
        away += [
            (judged.ratio.ratio - 1) / judged.ratio.ratio_u
            for judged in found
            if judged.is_yardstick
        ]
    assert abs(np.mean(away)) < 0.35
    # Counts and background are drawn, the place of the vial and the drift are not.
    assert 0.5 < np.std(away) < 1.15


def test_half_as_much_again_is_found_within_ten_minutes(model: ContainerModel) -> None:
    found_after = []
    for seed in range(20):
        trip = Trip(model, 2000 + seed)
        for number in range(10, 20):
            trip.minute(number)
        for number in range(20, 60):
            if any(judged.is_exceeded for judged in trip.minute(number, 1.7)):
                found_after.append(number - 20)
                break
    assert len(found_after) == 20
    assert float(np.median(found_after)) <= 10


def test_an_impurity_that_lives_longer_is_no_rise(model: ContainerModel) -> None:
    trip = Trip(model, 5)
    days = 5 * 24 * 60
    found = [trip.minute(number) for number in range(days, days + 12)][-1]
    for judged in found:
        if judged.is_yardstick:
            assert not judged.is_raised
            assert math.isfinite(judged.ratio.ratio)


def test_what_cannot_be_compared_is_not(model: ContainerModel) -> None:
    trip = Trip(model, 6)
    report = Report(
        from_boot_ns=0, to_boot_ns=MINUTE_NS, sensors=(), detectors=(), lines=()
    )
    assert trip.criterion.take(report) is None
    trip.criterion.follow(None, None)
    assert trip.criterion.take(report) is None
