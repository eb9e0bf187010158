"""The arrival report: printable in 80 columns, and it says what it must."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cloud.adapters.ledger import open_ledger
from cloud.adapters.series import SqliteSeries
from cloud.arrival import Arrival
from cloud.projection import project_all
from cloud.report import arrival_report
from cloud.web.answers import arrival_message
from cloud.web.desk import Desk
from tests import journeys
from tests.builders import SHIPMENT
from tests.journeys import DISPATCHED_NS, HOUR_NS, Cast


class Stopped:
    exercise = True

    def boot_ns(self) -> int:
        return 0

    def utc_ns(self) -> int:
        return DISPATCHED_NS + 4 * HOUR_NS


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder: Path = tmp_path_factory.mktemp("report")
    cast, series = Cast(), SqliteSeries(":memory:")
    ledger = open_ledger(f"sqlite:///{folder / 'ledger.sqlite'}")
    journeys.take(ledger, cast, journeys.papers(cast))
    journeys.take(ledger, cast, journeys.telemetry(cast, 2.0))
    project_all(ledger, series)
    situation = Desk(ledger, series, Stopped()).situation(SHIPMENT)
    assert situation is not None
    assert isinstance(situation.arrival, Arrival)
    found = arrival_message(situation, situation.arrival).model_dump(mode="json")
    ledger.close()
    series.close()
    return found


def printed(answer: dict[str, Any]) -> str:
    text = io.StringIO()
    Console(width=80, file=text).print(arrival_report(answer))
    return text.getvalue()


def test_it_fits_80_columns_and_needs_no_colour(answer: dict[str, Any]) -> None:
    lines = printed(answer).splitlines()
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in "".join(lines)


def test_it_says_what_it_must(answer: dict[str, Any]) -> None:
    text = " ".join(printed(answer).replace("│", " ").split())
    for words in (
        "EXERCISE - simulated",
        "advisory: not a dosage determination.",
        "7.44 ± 0.37 GBq 100.5 %",
        "12.50 ± 0.62 GBq (k = 2), calibration",
        "appointment 7.44 ± 0.37 GBq 100.5 % Sat 26 Sep 14:43 (13:43)",
        "at, UTC+1 (UTC)",
        "Fri 2026-09-25 17:56 UTC+1 (16:56 UTC) to Sat",
        "The detectors agree",
        "They would notice an error of 5.6 % or more, not a smaller one.",
        "No change seen.",
        "a leak that stays inside the pot",
        "withheld: this is an exercise: no volume is given",
        "surely enough",
    ):
        assert words in text
    assert "intact" not in text


def test_what_is_withheld_says_why(answer: dict[str, Any]) -> None:
    changed = answer | {
        "volume": {"volume_ml": None, "withheld": ["it is late"], "exercise": False},
        "surely_inside": None,
        "at_eta": None,
        "exercise": False,
    }
    text = " ".join(printed(changed).split())
    assert "withheld: it is late" in text
    assert "at no time" in text
    assert "EXERCISE" not in text
    assert "arrival, planned" not in text


def test_a_volume_names_what_it_rests_on(answer: dict[str, Any]) -> None:
    volume = {"volume_ml": 12.437, "withheld": [], "basis": "certificate and decay"}
    text = printed(answer | {"volume": volume})
    assert "12.44 mL by certificate and decay only" in text


def test_radium_is_in_megabecquerel(answer: dict[str, Any]) -> None:
    certificate = answer["certificate"] | {"nuclide": "Ra-223"}
    assert "7436 ± 372 MBq" in printed(answer | {"certificate": certificate})


def test_another_day_in_utc_is_named_and_nothing_is_cut(answer: dict[str, Any]) -> None:
    early = answer["now"] | {"at": "2026-09-26T23:05:00.123456789Z"}
    text = printed(answer | {"now": early, "offset_minutes": 330})
    assert "Sun 27 Sep 04:35 (Sat 23:05)" in text
    assert "UTC+5:30" in text
    assert "\N{HORIZONTAL ELLIPSIS}" not in text
    plain = printed(answer | {"offset_minutes": 0})
    assert "(13:43" not in plain
