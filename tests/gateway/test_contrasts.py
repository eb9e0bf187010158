"""Reports in, changes of the counts out as events, with the words for a person."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from gateway.contrasts import Contrasts, Noticed
from gateway.estimator.container import read_container
from schemas.contents import Contents
from schemas.events import Event, EventKind, Severity
from schemas.findings import Cause
from schemas.records import Conditions, DetectorSummary, Report
from schemas.units import NS_PER_S
from tests import builders

CONTAINER = Path(__file__).parents[2] / "hw" / "containers" / "inner-pair.toml"
MODEL = read_container(CONTAINER.read_bytes(), str(CONTAINER))
MINUTE_NS = 60 * NS_PER_S
UTC_NS = 1_800_000_000 * NS_PER_S
NOTHING = Noticed(is_opened=False, is_corroborated=False)
GAIN = np.array([60.0, 60.0, 0.0063, 0.0063])
GROUND = np.array([0.30, 0.30, 0.35, 0.35])
QUIET = 90
HERE = Conditions(
    is_airborne=False,
    is_loaded=True,
    is_shocked=False,
    is_alarmed=False,
    utc_minus_boot_ns=UTC_NS,
    time_u_ns=1_000_000,
)


def vial() -> Contents:
    return msgspec.structs.replace(
        builders.contents(activity_gbq=7.4), reference_at_ns=UTC_NS
    )


class Bench:
    """Contrasts of one journey, fed with a report a minute."""

    def __init__(self) -> None:
        self.contrasts = Contrasts(MODEL)
        self.contrasts.follow(vial(), MODEL.attitude)
        self.rng = np.random.default_rng(20261125)
        self.minute = 0

    def run(
        self,
        minutes: int,
        share: float = 1.0,
        noticed: Noticed = NOTHING,
        at: Conditions = HERE,
    ) -> list[Event]:
        told: list[Event] = []
        for _ in range(minutes):
            told += self.contrasts.take(self.report(share, at), noticed)
            self.minute += 1
        return told

    def report(self, share: float, at: Conditions) -> Report:
        begin_ns = self.minute * MINUTE_NS
        decay = 2.0 ** (-begin_ns / NS_PER_S / (6.6443 * 86_400.0))
        rate = 7.4 * decay * GAIN * share + GROUND
        counts = self.rng.poisson(60.0 * rate / (1.0 + rate * 190e-6))
        return Report(
            from_boot_ns=begin_ns,
            to_boot_ns=begin_ns + MINUTE_NS,
            sensors=(),
            detectors=tuple(
                DetectorSummary(
                    sensor=f"board/detector-{i}",
                    counts=int(count),
                    live_time_ns=MINUTE_NS,
                    real_time_ns=MINUTE_NS,
                    intervals=6,
                    valid=6,
                    temperature_c=25.0,
                )
                for i, count in enumerate(counts)
            ),
            lines=(),
            attitude=MODEL.attitude,
            conditions=at,
        )


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    assert bench.run(QUIET) == []
    return bench


def test_a_loss_is_a_warning_with_its_evidence(bench: Bench) -> None:
    (told,) = bench.run(15, share=0.95)
    assert (told.what, told.severity) == (EventKind.INTEGRITY, Severity.WARNING)
    assert told.reason == Cause.LOSS
    assert abs(told.from_boot_ns - QUIET * MINUTE_NS) <= 2 * MINUTE_NS
    assert told.change is not None
    assert told.change.amplitude == pytest.approx(0.05, rel=0.2)
    assert told.change.odds > 20.0
    assert "% of the activity seems to be gone: keep away" in told.text
    assert bench.contrasts.is_open


def test_odds_beyond_a_million_are_told_as_a_million(bench: Bench) -> None:
    (told,) = bench.run(15, share=0.2)
    assert told.change is not None
    assert told.change.odds == 1e6
    assert "odds 1,000,000 to 1" in told.text
    assert len(told.text) < 200


def test_with_another_witness_it_is_an_alarm(bench: Bench) -> None:
    noticed = Noticed(is_opened=True, is_corroborated=True)
    (told,) = bench.run(15, share=0.95, noticed=noticed)
    assert told.severity is Severity.ALARM


def test_another_vial_begins_anew(bench: Bench) -> None:
    bench.run(15, share=0.95)
    bench.contrasts.follow(vial(), MODEL.attitude)
    assert not bench.contrasts.is_open


@pytest.mark.parametrize(
    "at",
    [
        msgspec.structs.replace(HERE, is_airborne=True),
        msgspec.structs.replace(HERE, is_loaded=False),
    ],
    ids=["air", "empty"],
)
def test_nothing_is_watched_in_the_air_or_without_the_vial(
    bench: Bench, at: Conditions
) -> None:
    assert bench.run(30, share=0.5, at=at) == []


def test_a_clock_that_is_set_begins_anew_and_is_suspected(bench: Bench) -> None:
    hour_ns = 3600 * NS_PER_S
    later = msgspec.structs.replace(HERE, utc_minus_boot_ns=UTC_NS + hour_ns)
    told = bench.run(60, at=later)
    assert [event for event in told if event.severity is Severity.ALARM] == []
    assert bench.contrasts._is_clock_doubtful
