"""What could have changed the counts: odds of the known causes, from one window.

A change was noticed that began some bins ago. Each cause says how the expected counts
of each detector move with one amplitude: a signature. The evidence of a cause is the
likelihood of the window's counts averaged over what amplitudes are plausible a priori
(so that a cause that could explain anything explains little), times how likely the
cause is here and now: a blow makes displacement likely, a cabin's pressure the flight.

Signatures, by detector::

    displacement   source part * (k1 s + k2 s^2), opposite signs on the pair
    loss           source part * -e on all detectors
    growth         source part * +e: a clock that was set, a wrong vial
    nearby, side   one detector outside the lead + x /s, others up to 0.6 x: another
                   package beside it, or a breach of the shield; one class until the
                   load changes. - x is a neighbour that was there and left
    cosmic         cosmic part * (c - 1) on all detectors
    place          terrestrial part * (b - 1) on all detectors
    failure        one detector alone, by any factor, down to silence
    saturation     the pair counts less and the outer detectors more

Source: Jeffreys, Theory of Probability (1961), chapter 5, for the averaging.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np

from gateway.estimator.kernels import Floats
from schemas.findings import Cause

GRID: Final = 48
# A neighbour's radiation reaches the other detectors through the container, if at all.
FAR_SHARE: Final = (0.0, 0.03, 0.1, 0.3, 0.6)
# A detector that owes more than this to its surroundings is outside the lead.
EXPOSED_SHARE: Final = 0.03


# Causes that are no alarm when they are the likely ones: the surroundings changed.
HARMLESS: Final = frozenset({Cause.COSMIC, Cause.PLACE})


@dataclass(frozen=True, slots=True)
class Window:
    """Counts since the change began; all arrays are (c,), one entry per detector.

    Attributes:
        sensors: names of the detectors.
        seen: counts.
        expected: counts expected had nothing changed.
        dispersion: variance of seen - expected over expected, the uncertainty of the
            baseline and the dead time included.
        source: the part of ``expected`` that is the vial's.
        terrestrial: the part that is the place's.
        cosmic: the part that is cosmic.
        live_s: time counted, s.
        displacement_per_mm: relative change of the source part for 1 mm, with sign.
        displacement_per_mm2: its quadratic part.
        side: +1 and -1 for the pair that watches the activity, 0 for the outer ones.
    """

    sensors: tuple[str, ...]
    seen: Floats
    expected: Floats
    dispersion: Floats
    source: Floats
    terrestrial: Floats
    cosmic: Floats
    live_s: Floats
    displacement_per_mm: Floats
    displacement_per_mm2: Floats
    side: Floats


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What else was noticed since shortly before the change."""

    is_shocked: bool = False
    is_opened: bool = False
    is_climbing: bool = False
    is_clock_doubtful: bool = False


@dataclass(frozen=True, slots=True)
class Suspect:
    """One cause with its probability among all, and the amplitude that fits best.

    ``sensor`` names the detector a nearby source or a failure belongs to. The
    amplitude is in mm, 1/s or a ratio, as the signature says.
    """

    cause: Cause
    probability: float
    amplitude: float
    sensor: str | None = None

    @property
    def is_harmless(self) -> bool:
        """Whether only the surroundings changed, or a neighbour left."""
        return self.cause in HARMLESS or (
            self.cause is Cause.NEARBY and self.amplitude < 0.0
        )


def suspects(window: Window, circumstances: Circumstances) -> list[Suspect]:
    """Return the causes, the most probable first; probabilities sum to 1.

    Args:
        window: counts since the change began; detectors that are missing left out.
        circumstances: what else was noticed.
    """
    found = []
    for cause, sensor, amplitudes, changed in _signatures(window):
        ratios = _log_likelihoods(window, changed)
        best = int(np.argmax(ratios))
        prior = _prior(cause, circumstances)
        evidence = math.log(prior) + _log_mean(ratios)
        found.append((evidence, cause, sensor, float(amplitudes[best])))
    top = max(evidence for evidence, *_rest in found)
    weights = [math.exp(evidence - top) for evidence, *_rest in found]
    total = math.fsum(weights)
    named = [
        Suspect(cause, weight / total, amplitude, sensor)
        for weight, (_e, cause, sensor, amplitude) in zip(weights, found, strict=True)
    ]
    return sorted(named, key=lambda one: -one.probability)


def _log_likelihoods(window: Window, changed: Floats) -> Floats:
    """Return the log likelihood ratio of each row of changed expectations, (g,).

    Quasi-Poisson: the log likelihood of the counts over their dispersion.
    """
    floor = np.maximum(changed, 1e-3 * window.expected + 1e-6)
    gains = window.seen * np.log(floor / window.expected) - (floor - window.expected)
    ratios: Floats = (gains / window.dispersion).sum(axis=1)
    return ratios


def _log_mean(ratios: Floats) -> float:
    top = float(ratios.max())
    return top + math.log(float(np.exp(ratios - top).mean()))


_Signature = tuple[Cause, str | None, Floats, Floats]


def _signatures(window: Window) -> Iterator[_Signature]:
    yield from _of_the_source(window)
    yield from _nearby(window)
    yield from _of_the_surroundings(window)
    yield from _of_a_detector(window)


def _of_the_source(window: Window) -> Iterator[_Signature]:
    shifts_mm = _both(0.05, 15.0)
    relative = (
        shifts_mm[:, None] * window.displacement_per_mm
        + shifts_mm[:, None] ** 2 * window.displacement_per_mm2
    )
    if window.displacement_per_mm.any():
        changed = window.expected + np.expm1(relative) * window.source
        yield Cause.DISPLACEMENT, None, shifts_mm, changed
    if window.source.any():
        lost = _span(5e-4, 1.0)
        yield Cause.LOSS, None, lost, window.expected - lost[:, None] * window.source
        more = _span(5e-4, 3.0)
        yield Cause.GROWTH, None, more, window.expected + more[:, None] * window.source
        pair = np.abs(window.side)
        if pair.any() and not pair.all():
            outer = (1.0 - pair) * window.expected
            fold = pair * window.source
            changed = window.expected + lost[:, None] * (10.0 * outer - fold)
            yield Cause.SATURATION, None, lost, changed


def _nearby(window: Window) -> Iterator[_Signature]:
    is_outer = window.side == 0.0
    around = window.terrestrial + window.cosmic
    is_exposed = is_outer | (around > EXPOSED_SHARE * window.expected)
    for near in np.flatnonzero(is_exposed):
        most = window.expected[near] / max(window.live_s[near], 1e-9)
        rates = np.concatenate([-_span(0.02, 0.98) * most, _span(0.02, 100.0)])
        rows = []
        for on_outer, on_pair in product(FAR_SHARE, FAR_SHARE):
            reach = np.where(is_outer, on_outer, on_pair)
            reach[near] = 1.0
            rows.append(window.expected + rates[:, None] * reach * window.live_s)
        amplitudes = np.tile(rates, len(rows))
        yield Cause.NEARBY, window.sensors[near], amplitudes, np.vstack(rows)


def _of_the_surroundings(window: Window) -> Iterator[_Signature]:
    for cause, part, largest in (
        (Cause.COSMIC, window.cosmic, 100.0),
        (Cause.PLACE, window.terrestrial, 2.0),
    ):
        if part.any():
            factors = np.concatenate([-_span(0.03, 0.9), _span(0.03, largest)])
            yield cause, None, factors, window.expected + factors[:, None] * part


def _of_a_detector(window: Window) -> Iterator[_Signature]:
    factors = np.concatenate([-_span(5e-3, 1.0), _span(5e-3, 30.0)])
    for i in _all(window):
        alone = np.zeros(len(window.sensors))
        alone[i] = window.expected[i]
        changed = window.expected + factors[:, None] * alone
        yield Cause.FAILURE, window.sensors[i], factors, changed


# How likely a cause is before the counts are looked at: at rest, and when its own
# circumstance was noticed. Orders of magnitude from what happens to parcels:
# neighbours and places daily, shifts after blows, losses and failures hardly ever.
_PRIOR: Final[Mapping[Cause, tuple[float, float]]] = {
    Cause.DISPLACEMENT: (0.1, 3.0),
    Cause.LOSS: (0.05, 10.0),
    Cause.GROWTH: (0.005, 5.0),
    Cause.NEARBY: (0.5, 0.5),
    Cause.COSMIC: (0.02, 5.0),
    Cause.PLACE: (0.3, 0.3),
    Cause.FAILURE: (0.01, 0.01),
    Cause.SATURATION: (0.002, 0.002),
}


def _prior(cause: Cause, now: Circumstances) -> float:
    noticed = {
        Cause.DISPLACEMENT: now.is_shocked,
        Cause.LOSS: now.is_opened,
        Cause.GROWTH: now.is_clock_doubtful,
        Cause.COSMIC: now.is_climbing,
    }
    return _PRIOR[cause][noticed.get(cause, False)]


def _all(window: Window) -> Sequence[int]:
    return range(len(window.sensors))


def _span(smallest: float, largest: float) -> Floats:
    """Return amplitudes that are equally plausible in each factor of size, (GRID,)."""
    return np.geomspace(smallest, largest, GRID)


def _both(smallest: float, largest: float) -> Floats:
    half = _span(smallest, largest)
    return np.concatenate([-half, half])
