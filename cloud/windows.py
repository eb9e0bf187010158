"""Activity and infusion windows by certificate and decay; pure arithmetic.

- Activity at any instant uses the half-life of :mod:`schemas.nuclides`; its expanded
  uncertainty (k = 2) has the certificate's part and the half-life's part.
- Windows are label arithmetic and use the label's half-life.
- The whole-vial window is two-sided: the vial holds the prescribed activity within
  the order's tolerance. By volume: it holds at least the prescribed activity, and less
  than all is drawn.
- Neither begins before the reference instant, because what was in the vial then is not
  assumed; both end with the shelf life or the expiry printed on the vial at the latest.
- Each has a band that is *surely* inside: for every activity within U (k = 2).
- All of it is in instants; a zone enters when one is written down, never before.

Source: DOMAIN sections 0, 1.1 and 6; GUM for the propagation.
"""

import math
from dataclasses import dataclass
from typing import Final

import msgspec

from schemas.contents import Contents, ProductLimits
from schemas.estimates import (
    Estimate,
    FingerprintResult,
    HalfLifeCheck,
    Remaining,
    Witness,
)
from schemas.facts import Assay
from schemas.findings import DoseRatio, Integrity, ThermalSummary
from schemas.nuclides import decay_factor, nuclide
from schemas.products import Product
from schemas.records import TimeSource
from schemas.units import NS_PER_S, S_PER_DAY, S_PER_HOUR

COVERAGE_FACTOR: Final = 2.0
# What a centre takes where it has stated no profile; amino acids begin 30 min before.
PREPARATION_S: Final = 3600.0
SURVEY_S: Final = 1800.0
CLOCK_DOUBT_NS: Final = 600 * NS_PER_S  # 10 min is 0.07 % of a Lu-177 activity
REACH_HALF_LIVES: Final = 100
_VOUCHED: Final = frozenset({TimeSource.GPS, TimeSource.NTP, TimeSource.RECEIPT})


class Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one report says of one vial beside the certificate's activity."""

    witness: Witness
    fused: Estimate | None = None
    remaining: Remaining | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """The gateway's latest word; ``at_ns`` is when it holds, if that is known.

    ``contact`` is whom to call where the package is suspected.
    ``fused`` is there for a container with a released gain calibration, held or not;
    ``remaining`` once a fingerprint was accepted. The half-life is asked for once an
    hour, the fingerprint judged once.
    """

    witness: Witness | None = None
    at_ns: int | None = None
    time_source: TimeSource = TimeSource.NONE
    time_u_ns: int | None = None
    integrity: Integrity | None = None
    thermal: ThermalSummary | None = None
    doses: tuple[DoseRatio, ...] = ()
    contact: str | None = None
    fused: Estimate | None = None
    remaining: Remaining | None = None
    half_life: HalfLifeCheck | None = None
    fingerprint: FingerprintResult | None = None

    @property
    def is_clock_doubtful(self) -> bool:
        """True while nothing vouches for the gateway's UTC, or only coarsely."""
        return (
            self.time_source not in _VOUCHED or (self.time_u_ns or 0) > CLOCK_DOUBT_NS
        )


@dataclass(frozen=True, slots=True)
class Centre:
    """What of a centre's own figures an arrival depends on.

    ``is_assumed`` while the centre has stated no profile. An assay off by more than
    ``call_ratio`` is reported, by more than ``stop_ratio`` the dose waits.
    """

    preparation_s: float = PREPARATION_S
    survey_s: float = SURVEY_S
    call_ratio: float = 0.05
    stop_ratio: float = 0.10
    is_assumed: bool = True


@dataclass(frozen=True, slots=True)
class Question:
    """Everything an arrival estimate follows from.

    ``appointment_ns`` is the newest version of the plan. ``changes`` tell of a change
    of the package, ``handling`` of shocks below the alarm, both for people to read.
    ``is_held`` while a person has to release the certificate.
    """

    contents: Contents
    product: Product
    prescribed_activity_gbq: float
    tolerance_ratio: float
    appointment_ns: int
    as_of_ns: int
    eta_ns: int | None = None
    limits: ProductLimits | None = None
    statement: Statement | None = None
    changes: tuple[str, ...] = ()
    handling: str | None = None
    exercise: bool = False
    assay: Assay | None = None
    centre: Centre = Centre()
    is_held: bool = False


@dataclass(frozen=True, slots=True)
class Activity:
    """Activity by certificate and decay; the uncertainty is expanded, k = 2."""

    at_ns: int
    activity_gbq: float
    activity_expanded_u_gbq: float
    percent_of_prescribed: float


@dataclass(frozen=True, slots=True)
class Window:
    """A span of instants, ends included."""

    from_ns: int
    to_ns: int

    def contains(self, at_ns: int) -> bool:
        """Say whether ``at_ns`` lies in the window."""
        return self.from_ns <= at_ns <= self.to_ns


def expanded_ratio(contents: Contents, at_ns: int) -> float:
    """Return U(k = 2) over the activity at ``at_ns``: certificate and half-life.

    Source: GUM 5.1.2 on ln A(t) = ln A_0 - ln 2 (t - t_0) / T.
    """
    decaying = nuclide(contents.nuclide)
    elapsed_s = (at_ns - contents.reference_at_ns) / NS_PER_S
    half_lives = elapsed_s / decaying.half_life_s
    relative_u = decaying.half_life_u_s / decaying.half_life_s
    half_life_part = math.log(2) * half_lives * relative_u
    return COVERAGE_FACTOR * math.hypot(contents.activity_u_ratio, half_life_part)


def activity_at(contents: Contents, at_ns: int, prescribed_gbq: float) -> Activity:
    """Return the activity of the vial at an instant, by certificate and decay.

    Raises:
        UnknownWordError: the table has no such nuclide.
    """
    elapsed_s = (at_ns - contents.reference_at_ns) / NS_PER_S
    factor = decay_factor(nuclide(contents.nuclide).half_life_s, elapsed_s)
    activity_gbq = contents.activity_gbq * factor
    return Activity(
        at_ns,
        activity_gbq,
        activity_gbq * expanded_ratio(contents, at_ns),
        100.0 * activity_gbq / prescribed_gbq,
    )


def label_activity_gbq(contents: Contents, product: Product, at_ns: int) -> float:
    """Return the activity at an instant by the label's half-life."""
    elapsed_s = (at_ns - contents.reference_at_ns) / NS_PER_S
    factor = decay_factor(product.label_half_life_d * S_PER_DAY, elapsed_s)
    return contents.activity_gbq * factor


def is_in_reach(contents: Contents, at_ns: int) -> bool:
    """Say whether an instant is near enough to speak of an activity then.

    Raises:
        UnknownWordError: the table has no such nuclide.
    """
    elapsed_s = abs(at_ns - contents.reference_at_ns) / NS_PER_S
    return elapsed_s <= REACH_HALF_LIVES * nuclide(contents.nuclide).half_life_s


def instant_of(contents: Contents, product: Product, activity_gbq: float) -> int:
    """Return when the vial holds ``activity_gbq``, by the label's half-life.

    Raises:
        ValueError: ``activity_gbq`` is not positive.
    """
    half_lives = math.log2(contents.activity_gbq / activity_gbq)
    elapsed_s = product.label_half_life_d * S_PER_DAY * half_lives
    return contents.reference_at_ns + round(elapsed_s * NS_PER_S)


def expiry_ns(question: Question) -> int:
    """Return the end of the shelf life; an earlier one on vial or label rules."""
    shelf_ns = round(question.product.shelf_life_h * S_PER_HOUR * NS_PER_S)
    ends = [question.contents.reference_at_ns + shelf_ns]
    printed_ns = question.contents.expires_at_ns
    stated_ns = question.limits.expires_at_ns if question.limits else None
    return min(end for end in (*ends, printed_ns, stated_ns) if end is not None)


def whole_vial_window(question: Question, margin_ratio: float = 0.0) -> Window | None:
    """Return when the whole vial is within tolerance of the prescribed activity.

    Args:
        question: the vial, the order and the product.
        margin_ratio: relative error of the activity that must still fit, >= 0.

    Returns:
        The window, cut by reference instant and shelf life; absent where empty.
    """
    if question.tolerance_ratio >= 1 or margin_ratio >= 1:
        return None
    prescribed_gbq = question.prescribed_activity_gbq
    most_gbq = prescribed_gbq * (1 + question.tolerance_ratio) / (1 + margin_ratio)
    least_gbq = prescribed_gbq * (1 - question.tolerance_ratio) / (1 - margin_ratio)
    contents, product = question.contents, question.product
    return _window(
        max(instant_of(contents, product, most_gbq), contents.reference_at_ns),
        min(instant_of(contents, product, least_gbq), expiry_ns(question)),
    )


def volume_window(question: Question, margin_ratio: float = 0.0) -> Window | None:
    """Return when the vial holds the prescribed activity or more.

    ``margin_ratio`` is the relative error of the activity that must still fit, >= 0.
    """
    if margin_ratio >= 1:
        return None
    contents, product = question.contents, question.product
    least_gbq = question.prescribed_activity_gbq / (1 - margin_ratio)
    last_ns = instant_of(contents, product, least_gbq)
    return _window(contents.reference_at_ns, min(last_ns, expiry_ns(question)))


def _window(from_ns: int, to_ns: int) -> Window | None:
    return Window(from_ns, to_ns) if from_ns <= to_ns else None
