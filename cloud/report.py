"""The arrival report for a terminal: plain, printable, 80 columns.

It says what the page says, from the JSON of the programming interface, so that what
is printed is what anybody can ask for.
"""

from collections.abc import Mapping
from typing import Any, Final

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cloud.arrival import u_text, unit_of, value_text

WIDTH: Final = 78

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
        padding=(1, 2),
    )


def _activities(arrival: Json) -> Table:
    table = Table(box=None, pad_edge=False, show_header=True, header_style="dim")
    table.add_column("by decay")
    table.add_column("activity, k = 2", justify="right")
    table.add_column("of prescribed", justify="right")
    table.add_column("at", no_wrap=True)
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
                _instant(activity["at"]),
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
    certificate = arrival["certificate"]
    tolerance = f"\N{PLUS-MINUS SIGN}{100 * arrival['tolerance_ratio']:.0f} %"
    return [
        ("order", f"{arrival['order']}, {arrival['product']}, {arrival['centre']}"),
        (
            "certificate",
            f"{_amount(certificate, certificate['nuclide'])} "
            f"(k = {certificate['coverage_factor']:g}), "
            f"{certificate['reference_kind']} {_instant(certificate['reference_at'])}",
        ),
        (f"whole, {tolerance}", _window(arrival["whole_vial"])),
        ("surely inside", _window(arrival["surely_inside"])),
        ("by volume", _window(arrival["by_volume"])),
        ("volume", _volume(arrival["volume"])),
        ("arrive by", _instant(arrival["arrive_by"])),
        ("decide by", _instant(arrival["decide_by"])),
        ("shelf life ends", _instant(arrival["expires_at"])),
        ("detectors", arrival["detectors"]["sentence"]),
        ("package", arrival["package"]),
        ("not seen", "; ".join(arrival["not_seen"])),
    ]


def _window(window: Json | None) -> str:
    if window is None:
        return "at no time"
    inside = "" if window["contains_appointment"] else "; the appointment is outside"
    return f"{_instant(window['from_at'])} to {_instant(window['to_at'])}{inside}"


def _volume(volume: Json) -> str:
    if volume["volume_ml"] is None:
        return "withheld: " + "; ".join(volume["withheld"])
    mark = ", EXERCISE" if volume["exercise"] else ""
    return f"{volume['volume_ml']:.2f} mL by certificate and decay only{mark}"


def _instant(text: str) -> str:
    """Shorten RFC 3339 to minutes; the zone stays."""
    zone = "UTC" if text.endswith("Z") else f"UTC{text[-6:]}"
    return f"{text[:10]} {text[11:16]} {zone}"
