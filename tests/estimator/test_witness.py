"""The witness against Poisson counts that numpy draws, from the papers' own figures.

Nothing of the expectation comes from the gateway: rate = gain x activity x 2^(-t/T)
in live time, plus background. Bounds on shares are binomial at five sigma.
"""

import math
from pathlib import Path

import msgspec
import numpy as np
import pytest

from gateway.estimator.container import ContainerModel, read_container
from gateway.estimator.witness import Bin, WitnessWindow, silent
from schemas.contents import Contents, Impurity
from schemas.estimates import Witness, WitnessVerdict
from tests.builders import START_NS, contents

CONTAINERS = Path(__file__).parents[2] / "hw" / "containers"
NS = 10**9
HOUR_NS = 3600 * NS
LU_S = 6.6443 * 86400
MINUTES = 60
GAIN, GAIN_U, OWN_U = 0.28, 0.056, 0.05
BACKGROUND, BACKGROUND_U = 0.35, 0.10
VIAL = contents(activity_gbq=7.4)


def model(name: str = "overpack-10mm") -> ContainerModel:
    path = CONTAINERS / f"{name}.toml"
    return read_container(path.read_bytes(), str(path))


def shifted(**changes: object) -> ContainerModel:
    """The default model with other figures in all of its detectors."""
    known = model()
    detectors = tuple(msgspec.structs.replace(d, **changes) for d in known.detectors)
    return msgspec.structs.replace(known, detectors=detectors)


class Nature:
    """What a detector would count; ``gain`` and ``background`` are the true ones."""

    def __init__(
        self, seed: int, gain: float = GAIN, background: float = BACKGROUND
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.gain = gain
        self.background = background

    def bins(
        self, activity_gbq: float, minutes: int = MINUTES, pressure_hpa: float = 1013.25
    ) -> list[list[Bin]]:
        return [
            [
                self.bin(f"board/detector-{i}", minute, activity_gbq, pressure_hpa)
                for i in (0, 1)
            ]
            for minute in range(minutes)
        ]

    def bin(
        self, sensor: str, minute: int, activity_gbq: float, pressure_hpa: float
    ) -> Bin:
        left = 2.0 ** (-(minute * 60 + 30) / LU_S)
        rate = self.gain * activity_gbq * left + self.background
        return Bin(
            sensor=sensor,
            from_boot_ns=minute * 60 * NS,
            to_boot_ns=(minute + 1) * 60 * NS,
            counts=int(self.rng.poisson(rate * 59.5)),
            live_time_ns=59_500_000_000,
            temperature_c=25.0,
            pressure_hpa=pressure_hpa,
        )


def word(
    bins: list[list[Bin]],
    container: ContainerModel | None = None,
    vial: Contents = VIAL,
    window_ns: int = HOUR_NS,
) -> Witness:
    window = WitnessWindow(container or model(), window_ns)
    for together in bins:
        window.add(together)
    return window.word(vial, START_NS)


def test_agrees_at_the_truth() -> None:
    found = word(Nature(1).bins(7.4))
    assert found.verdict is WitnessVerdict.AGREES
    assert found.ratio == pytest.approx(1.0, abs=0.05)
    assert found.noticeable_ratio == pytest.approx(2 * (found.ratio_u or 0.0))
    assert (found.from_boot_ns, found.to_boot_ns) == (0, HOUR_NS)
    assert found.live_time_ns == pytest.approx(2 * 60 * 59.5 * NS, rel=1e-9)
    assert found.counts == pytest.approx(found.expected_counts, rel=0.05)
    assert found.reasons == ()


@pytest.mark.parametrize(
    ("activity_gbq", "verdict", "ratio"),
    [(0.0, WitnessVerdict.LOW, 0.0), (14.8, WitnessVerdict.HIGH, 2.0)],
)
def test_a_vial_gone_and_one_too_many_are_noticed(
    activity_gbq: float, verdict: WitnessVerdict, ratio: float
) -> None:
    found = word(Nature(2).bins(activity_gbq))
    assert found.verdict is verdict
    assert found.ratio == pytest.approx(ratio, abs=0.06)


def test_budget_of_an_hour_by_hand() -> None:
    found = word(Nature(3).bins(7.4))
    live_s = 60 * 59.5
    source = GAIN * 7.4 * live_s * 2 ** (-1800 / LU_S)
    counts = math.sqrt(source + BACKGROUND * live_s) / source / math.sqrt(2)
    background = BACKGROUND_U * live_s / source
    dead = found.counts / 2 / live_s * 6e-6
    own = OWN_U / math.sqrt(2)
    expected = math.hypot(counts, own, background, GAIN_U / GAIN, dead, 0.015)
    assert found.ratio_u == pytest.approx(expected, rel=1e-3)
    # Gain and background are common to both detectors: never averaged away.
    assert (found.ratio_u or 0) > GAIN_U / GAIN


def test_25_mm_of_lead_are_not_observable() -> None:
    nature = Nature(4, gain=0.00095)
    for activity_gbq in (7.4, 0.0, 14.8):
        found = word(nature.bins(activity_gbq), model("overpack-25mm"))
        assert found.verdict is WitnessVerdict.NOT_OBSERVABLE
        assert found.ratio is None
        assert found.noticeable_ratio is None
        assert found.reasons


def test_a_window_too_short_is_not_observable() -> None:
    bins = Nature(5).bins(0.3, minutes=1)
    assert word(bins, vial=contents(activity_gbq=0.3)).verdict is (
        WitnessVerdict.NOT_OBSERVABLE
    )


def test_a_longer_window_notices_smaller_errors() -> None:
    bins = Nature(6).bins(7.4)
    sizes = [word(bins[:n]).noticeable_ratio or 9.0 for n in (1, 5, 20, 60)]
    assert sizes == sorted(sizes, reverse=True)


def test_the_inner_pair_is_as_good_as_its_common_gain() -> None:
    found = word(Nature(7, gain=60.0, background=0.30).bins(7.4), model("inner-pair"))
    assert found.verdict is WitnessVerdict.AGREES
    by_gain, by_dead_time = 0.80 / 60.0, 444 * 6e-6
    assert found.ratio_u == pytest.approx(
        math.hypot(by_gain, by_dead_time, 0.015), rel=0.02
    )


def share_bounds(share: float, runs: int) -> tuple[float, float]:
    margin = 5 * math.sqrt(share * (1 - share) / runs)
    return share - margin, share + margin


@pytest.mark.parametrize("seed", [11, 12])
def test_coverage_and_the_noticeable_error(seed: int) -> None:
    """Gain, background and certificate err as stated: 2 u cover 95.4 % of ratios.

    An error of the size that is called noticeable is noticed in half of the cases.
    """
    runs, covered, noticed = 500, 0, 0
    errors = np.random.default_rng(seed)
    for run in range(runs):
        gain = GAIN + GAIN_U * errors.standard_normal()
        background = BACKGROUND + BACKGROUND_U * errors.standard_normal()
        truth_gbq = 7.4 * (1 + 0.015 * errors.standard_normal())
        nature = Nature(seed * 10_000 + run, max(gain, 0.0), max(background, 0.0))
        # Six bins of ten minutes instead of sixty: the same counts, faster.
        found = word(nature.bins(truth_gbq, minutes=6))
        covered += found.verdict is WitnessVerdict.AGREES
        size = found.noticeable_ratio or 0.0
        lost = word(nature.bins(truth_gbq * (1 - size), minutes=6))
        noticed += lost.verdict is WitnessVerdict.LOW
    low, high = share_bounds(0.954, runs)
    assert low <= covered / runs <= min(high, 1.0)
    low, _high = share_bounds(0.5, runs)
    assert noticed / runs >= low


def test_impurity_is_expected_and_widens_the_word() -> None:
    vial = msgspec.structs.replace(VIAL, impurities=(Impurity("Lu-177m", 2e-4, 1e-4),))
    # 486 x 2e-4 / 0.28: more than a third of the rate is the impurity's.
    extra = 7.4 * 2e-4 * 486.0
    found = word(Nature(8, background=BACKGROUND + extra).bins(7.4), vial=vial)
    assert found.verdict is WitnessVerdict.AGREES
    assert found.ratio == pytest.approx(1.0, abs=0.05)
    assert (found.ratio_u or 0) > (word(Nature(8).bins(7.4)).ratio_u or 1) + 0.01
    blind = word(Nature(8, background=BACKGROUND + extra).bins(7.4))
    assert (blind.ratio or 0) == pytest.approx(1.35, abs=0.05)


def test_temperature_that_is_unknown_is_not_a_temperature_without_error() -> None:
    bins = Nature(9).bins(7.4)
    blind = [[at_temperature(b, None) for b in both] for both in bins]
    container = shifted(temperature_coefficient_u_per_k=0.01)
    known, unknown = word(bins, container), word(blind, container)
    assert unknown.ratio == pytest.approx(known.ratio)
    assert (unknown.ratio_u or 0) ** 2 == pytest.approx(
        (known.ratio_u or 0) ** 2 + 0.15**2, rel=0.05
    )


def at_temperature(found: Bin, temperature_c: float | None) -> Bin:
    return Bin(
        found.sensor,
        found.from_boot_ns,
        found.to_boot_ns,
        found.counts,
        found.live_time_ns,
        temperature_c,
        found.pressure_hpa,
    )


def test_a_warm_detector_is_corrected_by_its_coefficient() -> None:
    container = shifted(temperature_coefficient_per_k=-0.01)
    nature = Nature(10, gain=GAIN * 0.8)
    warm = [[at_temperature(b, 45.0) for b in both] for both in nature.bins(7.4)]
    assert word(warm, container).ratio == pytest.approx(1.0, abs=0.05)


def test_cosmic_background_at_altitude_is_no_activity() -> None:
    growth = math.exp((1013.25 - 800.0) / 135.0) - 1
    nature = Nature(13, background=BACKGROUND + 0.12 * growth)
    found = word(nature.bins(7.4, pressure_hpa=800.0))
    assert found.ratio == pytest.approx(1.0, abs=0.05)


def test_a_report_longer_than_the_window_is_still_heard() -> None:
    long = Bin("board/detector-0", 0, 3 * HOUR_NS, 26_000, 3 * HOUR_NS, 25.0, None)
    window = WitnessWindow(model(), HOUR_NS)
    window.add([long])
    assert window.word(VIAL, START_NS).verdict is WitnessVerdict.AGREES
    window.add([])
    assert window.word(VIAL, START_NS).counts == 26_000


def test_bins_that_leave_the_window_are_forgotten() -> None:
    bins = Nature(14).bins(7.4, minutes=90)
    found = word(bins)
    assert found.from_boot_ns == 30 * 60 * NS
    assert found.counts == sum(b.counts for both in bins[30:] for b in both)


def test_a_source_that_has_decayed_away_is_not_observable() -> None:
    old = msgspec.structs.replace(
        VIAL, reference_at_ns=START_NS - 30 * 365 * 24 * HOUR_NS
    )
    found = word(Nature(15).bins(0.0), vial=old)
    assert found.verdict is WitnessVerdict.NOT_OBSERVABLE
    assert found.ratio is None


def test_without_valid_counts_nothing_is_said() -> None:
    dead = Bin("board/detector-0", 0, 60 * NS, 0, 0, None, None)
    reference = Bin("board/detector-2", 0, 60 * NS, 999, 60 * NS, None, None)
    found = word([[dead, reference]])
    assert found.verdict is WitnessVerdict.NOT_OBSERVABLE
    # The reference detector does not look at the package.
    assert (found.counts, found.live_time_ns) == (0, 0)
    assert word([]).verdict is WitnessVerdict.NOT_OBSERVABLE


def test_a_cleared_window_has_forgotten() -> None:
    window = WitnessWindow(model(), HOUR_NS)
    for both in Nature(16).bins(7.4):
        window.add(both)
    window.clear()
    assert window.word(VIAL, START_NS).verdict is WitnessVerdict.NOT_OBSERVABLE


def test_a_nuclide_that_the_model_does_not_know_is_not_observable() -> None:
    found = word(Nature(17).bins(7.4), shifted(sensitivities=()))
    assert found.verdict is WitnessVerdict.NOT_OBSERVABLE
    assert found.reasons == ("nothing is seen of Lu-177 in this container",)


def test_silence_names_its_interval_and_reason() -> None:
    found = silent(VIAL, "in the air", 5, 9)
    assert (found.from_boot_ns, found.to_boot_ns) == (5, 9)
    assert found.reasons == ("in the air",)
    assert found.verdict is WitnessVerdict.NOT_OBSERVABLE
