"""The counts of a journey against what they should be: changes, as events.

Each minute of the reports goes through the live filter; what it does not foresee is
watched (``estimator.watch``). Nothing is watched before the vial is in place, in the
air, or outside the attitude that counts. A change is a warning: it becomes an alarm
where a witness of another kind saw something too, and never cancels a dose by itself.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

from gateway.estimator.assembly import forward_model
from gateway.estimator.attitude import Vector
from gateway.estimator.container import ContainerModel, angle_deg
from gateway.estimator.filtering import LiveFilter
from gateway.estimator.gains import with_gain
from gateway.estimator.hypotheses import Circumstances
from gateway.estimator.watch import Change, ChangeWatch
from gateway.journaling import Bin, ReportJournal
from schemas.contents import Contents, ReleasedGain
from schemas.events import Event, EventKind, Severity
from schemas.findings import Cause, ChangeFinding
from schemas.records import Report
from schemas.units import NS_PER_S

# A cabin's pressure falls by more than this within the bins that are looked back at.
CLIMB_HPA: Final = 8.0
CLIMB_BINS: Final = 10
# A clock that was set by more than this begins the watch anew.
CLOCK_STEP_NS: Final = 60 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Noticed:
    """What else was noticed of the package up to now."""

    is_opened: bool
    is_corroborated: bool


@dataclass(slots=True)
class _Following:
    """Filter and watch of one vial, in one map from boot time to UTC."""

    live: LiveFilter
    watch: ChangeWatch
    origin_ns: int


class Contrasts:
    """Watches the counts of one shipment."""

    def __init__(self, model: ContainerModel) -> None:
        self._released = self._model = model
        self._contents: Contents | None = None
        self._journal = ReportJournal(model)
        self._pressures: deque[float] = deque(maxlen=CLIMB_BINS)
        self._following: _Following | None = None
        self._is_clock_doubtful = False

    @property
    def is_open(self) -> bool:
        """Whether a change is open: no activity may be learned."""
        return self._following is not None and not self._following.watch.may_learn

    def follow(
        self,
        contents: Contents | None,
        attitude: Vector | None,
        gain: ReleasedGain | None = None,
    ) -> None:
        """Follow a vial from now on, or none.

        Args:
            contents: the vial.
            attitude: the fingerprint's.
            gain: the container's released gain, where the assignment has one.
        """
        self._contents = contents
        self._model = with_gain(self._released, gain)
        self._journal.clear()
        self._journal.reference = attitude or self._model.attitude
        self._pressures.clear()
        self._following = None
        self._is_clock_doubtful = False

    def take(self, report: Report, noticed: Noticed) -> list[Event]:
        """Take a closed interval; return what opened or ended with it."""
        at = report.conditions
        if at is None or not at.is_loaded or at.utc_minus_boot_ns is None:
            return []
        is_steady = not at.is_airborne and self._is_in_attitude(report)
        one = self._journal.take(report, at, is_steady=is_steady)
        following = self._follow_clock(report, at.utc_minus_boot_ns)
        if one is None or following is None:
            return []
        self._pressures.append(one.pressure_hpa)
        if not one.is_steady:
            told = following.watch.suspend()
        else:
            told = self._watch(following, one, noticed)
        return [_event(change, noticed) for change in told]

    def _watch(self, following: _Following, one: Bin, noticed: Noticed) -> list[Change]:
        journal = self._journal.journal((one,), following.origin_ns, in_alarm=True)
        journal.is_learnt[:] = following.watch.may_learn and not one.is_alarmed
        found = following.live.take(journal)
        fall_hpa = self._pressures[0] - one.pressure_hpa
        now = Circumstances(
            is_opened=noticed.is_opened,
            is_climbing=bool(fall_hpa > CLIMB_HPA),
            is_clock_doubtful=self._is_clock_doubtful,
        )
        return following.watch.take(journal, found, following.live, now)

    def _is_in_attitude(self, report: Report) -> bool:
        if report.attitude is None:
            return True
        tilt_deg = angle_deg(self._journal.reference, report.attitude)
        return tilt_deg <= self._model.attitude_tolerance_deg

    def _follow_clock(self, report: Report, origin_ns: int) -> _Following | None:
        """Begin with filter and watch, anew where the clock was set."""
        known = self._following
        if known is not None and abs(origin_ns - known.origin_ns) <= CLOCK_STEP_NS:
            return known
        if self._contents is None:
            return None
        self._is_clock_doubtful = known is not None
        at_ns = report.to_boot_ns + origin_ns
        model = forward_model(self._model, self._contents, at_ns)
        self._following = None
        if model.watching:
            watch = ChangeWatch(model, self._model.detection)
            self._following = _Following(LiveFilter(model, origin_ns), watch, origin_ns)
        return self._following


def _event(change: Change, noticed: Noticed) -> Event:
    suspect = change.suspects[0]
    is_alarm = noticed.is_corroborated and suspect.cause in _OF_THE_PACKAGE
    severity = Severity.ALARM if is_alarm else Severity.WARNING
    if change.is_over or suspect.is_harmless:
        severity = Severity.INFO
    return Event(
        what=EventKind.INTEGRITY,
        severity=severity,
        from_boot_ns=round(change.begin_s * NS_PER_S),
        to_boot_ns=round(change.noticed_s * NS_PER_S),
        text=_words(change),
        sensor=suspect.sensor or change.stream,
        value=suspect.amplitude,
        unit=_UNITS.get(suspect.cause, "1"),
        reason=suspect.cause.value,
        change=ChangeFinding(
            cause=suspect.cause,
            probability=suspect.probability,
            amplitude=suspect.amplitude,
            second=change.suspects[1].cause,
            odds=min(change.odds, MOST_ODDS),
            statistic=change.statistic,
        ),
    )


# What no person can tell from certainty; odds against nothing have hundreds of digits.
MOST_ODDS: Final = 1e6
_OF_THE_PACKAGE: Final = frozenset({Cause.DISPLACEMENT, Cause.LOSS, Cause.NEARBY})
_UNITS: Final = {Cause.DISPLACEMENT: "mm", Cause.NEARBY: "1/s"}
_WORDS: Final = {
    Cause.DISPLACEMENT: "the vial moved by {size:.1f} mm, it seems: keep it upright",
    Cause.LOSS: "{share:.1f} % of the activity seems to be gone: keep away, survey",
    Cause.GROWTH: "{share:.1f} % more than expected: clock, certificate or vial?",
    Cause.NEARBY: "raised on one side: a neighbour's package, or the shield is "
    "breached there: keep away until it is moved",
    Cause.COSMIC: "cosmic radiation changed, as in a climb",
    Cause.PLACE: "the place is another: natural radiation changed",
    Cause.FAILURE: "a detector alone reads otherwise: it may have failed",
    Cause.SATURATION: "the detectors may be saturated: readings are too low",
}


def _words(change: Change) -> str:
    suspect = change.suspects[0]
    size = abs(suspect.amplitude)
    words = _WORDS[suspect.cause].format(size=size, share=100.0 * size)
    if change.is_over and suspect.cause is Cause.NEARBY:
        return "over: it was a neighbour's package or a screening, no breach"
    second = change.suspects[1].cause.value
    odds = f"{min(change.odds, MOST_ODDS):,.0f}"
    return f"counts changed: {words} (odds {odds} to 1 against {second})"
