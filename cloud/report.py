"""The arrival report for a terminal: plain, printable, 80 columns.

It says what the page says, from the JSON of the programming interface, so that what
is printed is what anybody can ask for. Instants are in the centre's zone, with the
day of the week, and UTC beside.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cloud.figures import u_text, unit_of, value_text

WIDTH: Final = 78
_SHOWN_FROM: Final = 1e-4

Json = Mapping[str, Any]


def arrival_report(arrival: Json) -> RenderableType:
    """Return the report of an arrival estimate.

    Args:
        arrival: the JSON of ``/api/shipments/{shipment}/arrival``.

    Raises:
        KeyError: it is not that JSON.
    """
    title = f"arrival estimate {arrival['shipment']}"
    parts: list[RenderableType] = [_activities(arrival), Text(), _facts(arrival)]
    if arrival["exercise"]:
        title += ", EXERCISE - simulated"
    parts += [Text(), Text(f"{arrival['advisory']}.", style="bold")]
    return Panel(
        Group(*parts),
        title=title,
        title_align="left",
        box=box.SQUARE,
        width=WIDTH,
        padding=(1, 1),
    )


def _activities(arrival: Json) -> Table:
    table = Table(box=None, pad_edge=False, show_header=True, header_style="dim")
    table.add_column("by decay")
    table.add_column("k = 2", justify="right", no_wrap=True)
    table.add_column("of order", justify="right", no_wrap=True)
    zone = _zone(arrival["offset_minutes"])
    beside = " (UTC)" if arrival["offset_minutes"] else ""
    table.add_column(f"at, {zone}{beside}", no_wrap=True)
    rows = (
        ("now", arrival["now"]),
        (f"arrival, {arrival['eta_kind']}", arrival["at_eta"]),
        ("appointment", arrival["at_appointment"]),
    )
    for name, activity in rows:
        if activity is not None:
            table.add_row(
                Text(name, style="bold" if name == "appointment" else ""),
                _amount(activity, arrival["certificate"]["nuclide"]),
                f"{activity['percent_of_prescribed']:.1f} %",
                _brief(activity["at"], arrival["offset_minutes"]),
            )
    return table


def _amount(activity: Json, nuclide: str) -> str:
    value_gbq, u_gbq = activity["activity_gbq"], activity["activity_expanded_u_gbq"]
    value, u = value_text(value_gbq, u_gbq, nuclide), u_text(u_gbq, nuclide)
    return f"{value} \N{PLUS-MINUS SIGN} {u} {unit_of(nuclide)}"


def _facts(arrival: Json) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim", width=16)
    table.add_column(overflow="fold")
    for name, text in _lines(arrival):
        table.add_row(name, text)
    return table


def _lines(arrival: Json) -> list[tuple[str, str]]:
    certificate, zone = arrival["certificate"], arrival["offset_minutes"]
    tolerance = f"\N{PLUS-MINUS SIGN}{100 * arrival['tolerance_ratio']:.0f} %"
    return [
        ("order", f"{arrival['order']}, {arrival['product']}, {arrival['centre']}"),
        (
            "certificate",
            f"{_amount(certificate, certificate['nuclide'])} "
            f"(k = {certificate['coverage_factor']:g}), "
            f"{certificate['reference_kind']} "
            f"{_instant(certificate['reference_at'], _own_zone(certificate))}",
        ),
        (f"whole, {tolerance}", _window(arrival["whole_vial"], zone)),
        ("surely inside", _window(arrival["surely_inside"], zone)),
        ("by volume", _window(arrival["by_volume"], zone)),
        ("surely enough", _window(arrival["surely_by_volume"], zone)),
        ("volume", _volume(arrival["volume"])),
        ("decide by", _instant(arrival["decide_by"], zone)),
        ("shelf life ends", _instant(arrival["expires_at"], zone)),
        ("detectors", _detectors(arrival["detectors"], zone)),
        *_further(arrival["detectors"], zone),
        ("package", arrival["package"]),
        ("temperature", ". ".join(arrival["temperature"]) + "."),
        ("not seen", "; ".join(arrival["not_seen"])),
    ]


def _detectors(detectors: Json, zone: int) -> str:
    sentence = str(detectors["sentence"])
    if detectors["at"] is None:
        return sentence
    return f"{sentence} Last word {_instant(detectors['at'], zone)}."


def _further(detectors: Json, zone: int) -> list[tuple[str, str]]:
    """What the detectors say beside their verdict, as far as they do."""
    lines = []
    if (fused := detectors["fused"]) is not None:
        lines.append(("fused", str(fused["sentence"]) + _budget(fused["budget"])))
    if (remaining := detectors["remaining"]) is not None:
        since = _instant(remaining["since"], zone)
        lines.append(("still there", f"{remaining['sentence']} Since {since}."))
    if (half_life := detectors["half_life"]) is not None:
        lines.append(("half-life", str(half_life["sentence"])))
    if (fingerprint := detectors["fingerprint"]) is not None:
        lines.append(("fingerprint", str(fingerprint["sentence"])))
    return lines


def _budget(shares: Sequence[Json]) -> str:
    """Write the shares of an uncertainty that can change a shown digit."""
    known = [share for share in shares if share["u_ratio"] >= _SHOWN_FROM]
    if not known:
        return ""
    parts = ", ".join(f"{s['name']} {100 * s['u_ratio']:.2g} %" for s in known)
    return f" Budget (k = 1): {parts}."


def _window(window: Json | None, zone: int) -> str:
    if window is None:
        return "at no time"
    inside = "" if window["contains_appointment"] else "; the appointment is outside"
    from_at, to_at = _instant(window["from_at"], zone), _instant(window["to_at"], zone)
    return f"{from_at}\nto {to_at}{inside}"


def _volume(volume: Json) -> str:
    if volume["volume_ml"] is None:
        return "withheld: " + "; ".join(volume["withheld"])
    return f"{volume['volume_ml']:.2f} mL by {volume['basis']} only"


def _instant(text: str, offset_minutes: int) -> str:
    """Write RFC 3339 to the minute in a zone, UTC beside where that differs."""
    local, utc = _both(text, offset_minutes)
    beside = f" ({_beside(local, utc)} UTC)" if offset_minutes else ""
    return f"{local:%a %Y-%m-%d %H:%M} {_zone(offset_minutes)}{beside}"


def _brief(text: str, offset_minutes: int) -> str:
    """Write as :func:`_instant`, without year and zones: a heading names them."""
    local, utc = _both(text, offset_minutes)
    beside = f" ({_beside(local, utc)})" if offset_minutes else ""
    return f"{local:%a %d %b %H:%M}{beside}"


def _both(text: str, offset_minutes: int) -> tuple[datetime, datetime]:
    utc = datetime.fromisoformat(text).astimezone(UTC)
    return utc.astimezone(timezone(timedelta(minutes=offset_minutes))), utc


def _beside(local: datetime, utc: datetime) -> str:
    return f"{utc:%H:%M}" if utc.day == local.day else f"{utc:%a %H:%M}"


def _own_zone(certificate: Json) -> int:
    """Return the zone of the certificate's reference instant, minutes."""
    offset = datetime.fromisoformat(certificate["reference_at"]).utcoffset()
    return 0 if offset is None else offset // timedelta(minutes=1)


def _zone(offset_minutes: int) -> str:
    hours, minutes = divmod(abs(offset_minutes), 60)
    if not offset_minutes:
        return "UTC"
    rest = f":{minutes:02d}" if minutes else ""
    return f"UTC{'-' if offset_minutes < 0 else '+'}{hours}{rest}"
