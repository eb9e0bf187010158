"""The dose rate at each detector against the dispatch fingerprint, as events."""

from gateway.estimator.container import ContainerModel
from gateway.estimator.criterion import CRITERION, DoseCriterion, Judged, is_neighbour
from schemas.contents import Contents
from schemas.events import Event, EventKind, Severity
from schemas.findings import DoseRatio
from schemas.records import Fingerprint, Report

_INFO, _WARNING, _ALARM = Severity.INFO, Severity.WARNING, Severity.ALARM


class Doses:
    """Follows the detectors of one shipment."""

    def __init__(self, model: ContainerModel) -> None:
        self._model = model
        self._criterion = DoseCriterion(model)
        self._stated: dict[str, str] = {}
        self.can_see = False

    @property
    def is_exceeded(self) -> bool:
        """Whether a detector is beyond the design criterion, and no neighbour why."""
        return "exceeded" in self._stated.values()

    def follow(self, contents: Contents | None, loaded: Fingerprint | None) -> None:
        """Follow a vial from now on, or none; ``loaded`` is of an earlier boot."""
        self._criterion.follow(contents, loaded)
        self._stated.clear()

    def take_fingerprint(self, loaded: Fingerprint) -> None:
        """Take the loaded step of this trip's fingerprint."""
        self._criterion.take_fingerprint(loaded)
        self._stated.clear()

    def take(self, report: Report) -> tuple[tuple[DoseRatio, ...] | None, list[Event]]:
        """Take a closed interval; return ratios and what is to be stated of them.

        The ratios are None where nothing can be compared now.
        """
        found = self._criterion.take(report)
        if found is None:
            return None, []
        is_beside = is_neighbour(self._model, found)
        seen = [judged for judged in found if judged.is_yardstick]
        self.can_see = bool(seen)
        events = [self._state(judged, report, is_beside=is_beside) for judged in seen]
        ratios = tuple(judged.ratio for judged in seen)
        return ratios, [event for event in events if event is not None]

    def _state(
        self, judged: Judged, report: Report, *, is_beside: bool
    ) -> Event | None:
        state = _state_of(judged, is_beside=is_beside)
        before = self._stated.get(judged.ratio.sensor, "as expected")
        self._stated[judged.ratio.sensor] = state
        if state == before:
            return None
        severity, words = _WORDS[state]
        ratio = judged.ratio
        return Event(
            what=EventKind.DOSE_RATE,
            severity=severity,
            from_boot_ns=ratio.from_boot_ns,
            to_boot_ns=report.to_boot_ns,
            text=f"dose rate {ratio.ratio:.2f} +/- {2 * ratio.ratio_u:.2f} (k = 2) of "
            f"what is expected since the fingerprint: {words}",
            sensor=ratio.sensor,
            value=ratio.ratio,
            value_u=ratio.ratio_u,
            limit=CRITERION,
            unit="1",
            reason=state.replace(" ", "-"),
        )


_WORDS = {
    "exceeded": (_ALARM, "design criterion of 1.20 exceeded: keep away, survey"),
    "raised": (_WARNING, "raised, below the design criterion of 1.20"),
    "neighbour": (_WARNING, "the outward detector rose as much: a neighbour?"),
    "lowered": (_WARNING, "less than expected: wrong vial, lost or moved?"),
    "as expected": (_INFO, "as expected again"),
}


def _state_of(judged: Judged, *, is_beside: bool) -> str:
    if judged.is_raised and is_beside:
        return "neighbour"
    if judged.is_exceeded:
        return "exceeded"
    if judged.is_raised:
        return "raised"
    return "lowered" if judged.is_lowered else "as expected"
