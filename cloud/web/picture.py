"""The infusion window as a picture: what lies where on one axis of time, in percent.

Percentages of the width, so that the drawing fits a phone and a wall alike while its
letters keep their size.
"""

from dataclasses import dataclass
from typing import Final

from cloud.arrival import Arrival
from cloud.web.formats import local_text
from cloud.windows import Window
from schemas.units import NS_PER_S

_HOUR_NS: Final = 3600 * NS_PER_S
_DAY_NS: Final = 24 * _HOUR_NS
_MARGIN: Final = 0.03
_TICKS_H: Final = (1, 2, 3, 6, 12, 24, 48, 96, 168)
_MOST_TICKS: Final = 7
_PER_LETTER: Final = 2.1  # percent of the width of a phone
ROW_PX: Final = 19


@dataclass(frozen=True, slots=True)
class Mark:
    """A vertical line with its label in a row of its own."""

    name: str
    label: str
    at_ns: int
    x: float
    row_px: int
    is_right: bool


@dataclass(frozen=True, slots=True)
class Bar:
    """A window; absent ones have no bar and say so in the caption."""

    name: str
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Tick:
    """A line of the grid."""

    x: float
    label: str
    is_day: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that is drawn; marks from the left to the right."""

    marks: tuple[Mark, ...]
    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    top_px: int


@dataclass(frozen=True, slots=True)
class _Scale:
    from_ns: int
    to_ns: int

    def x(self, at_ns: int) -> float:
        """Return the place of an instant, percent, at the edge where it is outside."""
        ratio = (at_ns - self.from_ns) / (self.to_ns - self.from_ns)
        return round(100 * min(1.0, max(0.0, ratio)), 3)


def picture(estimate: Arrival, offset_minutes: int) -> Picture:
    """Return the picture of an arrival estimate, its days in the centre's zone."""
    named = _instants(estimate)
    scale = _scale([at_ns for _name, _label, at_ns in named], estimate)
    marks = tuple(
        Mark(
            name, label, at_ns, x, row * ROW_PX + 14, x > 97 - _PER_LETTER * len(label)
        )
        for row, (name, label, at_ns) in enumerate(named)
        for x in (scale.x(at_ns),)
    )
    bars = (
        ("volume", estimate.by_volume),
        ("surely-volume", estimate.surely_by_volume),
        ("whole", estimate.whole_vial),
        ("surely", estimate.surely),
    )
    return Picture(
        marks,
        tuple(_bar(name, window, scale) for name, window in bars if window),
        _ticks(scale, offset_minutes),
        len(named) * ROW_PX + 8,
    )


def _is_right(x: float, label: str) -> bool:
    """Say whether a label must stand to the left of its line to be read whole."""
    return x > 97 - _PER_LETTER * len(label)


def _instants(estimate: Arrival) -> list[tuple[str, str, int]]:
    question = estimate.question
    found = [
        ("reference", "calibration", question.contents.reference_at_ns),
        ("now", "now", question.as_of_ns),
        ("appointment", "appointment", question.appointment_ns),
        ("expiry", "end of shelf life", estimate.expires_at_ns),
    ]
    if question.eta_ns is not None:
        found.append(("eta", "arrival", question.eta_ns))
    return sorted(found, key=lambda item: item[2])


def _scale(instants: list[int], estimate: Arrival) -> _Scale:
    for window in (estimate.whole_vial, estimate.by_volume):
        if window is not None:
            instants += [window.from_ns, window.to_ns]
    first, last = min(instants), max(instants)
    margin_ns = max(_HOUR_NS, round((last - first) * _MARGIN))
    return _Scale(first - margin_ns, last + margin_ns)


def _bar(name: str, window: Window, scale: _Scale) -> Bar:
    x = scale.x(window.from_ns)
    return Bar(name, x, round(max(0.3, scale.x(window.to_ns) - x), 3))


def _label(local_ns: int) -> str:
    """Return the day, or the time of day, of an instant of a zone."""
    words = local_text(local_ns, 0).split()
    return " ".join(words[:3]) if local_ns % _DAY_NS == 0 else words[3]


def _ticks(scale: _Scale, offset_minutes: int) -> tuple[Tick, ...]:
    span_h = (scale.to_ns - scale.from_ns) / _HOUR_NS
    step_h = next((h for h in _TICKS_H if span_h / h <= _MOST_TICKS), _TICKS_H[-1])
    step_ns, offset_ns = step_h * _HOUR_NS, offset_minutes * 60 * NS_PER_S
    first = -(-(scale.from_ns + offset_ns) // step_ns) * step_ns
    return tuple(
        Tick(
            scale.x(local_ns - offset_ns),
            _label(local_ns),
            local_ns % _DAY_NS == 0,
        )
        for local_ns in range(first, scale.to_ns + offset_ns, step_ns)
    )
