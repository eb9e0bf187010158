"""Where a shipment is: what people signed, and what is planned, told apart."""

from pathlib import Path

import pytest

from cloud.web.whereabouts import Whereabouts, leg_text, whereabouts
from schemas.facts import LegMode
from tests.builders import SHIPMENT
from tests.journeys import DISPATCHED_NS, HOUR_NS
from tests.web_world import World


def where(folder: Path, hours: float) -> tuple[Whereabouts, str]:
    world = World(folder)
    world.travel(1.0)
    world.clock.now_ns = DISPATCHED_NS + round(hours * HOUR_NS)
    situation = world.desk.situation(SHIPMENT)
    assert situation is not None
    page = world.call("GET", f"/shipments/{SHIPMENT}").text
    world.ledger.close()
    world.series.close()
    return whereabouts(situation.shipment, situation.now_ns), page


def test_in_the_air_the_plan_says_so_and_the_handover_stays(tmp_path: Path) -> None:
    found, page = where(tmp_path, 10.5)
    assert found.place == "Milan Malpensa"
    assert found.leg is not None
    assert found.leg.mode is LegMode.AIR
    assert [leg.mode for leg in found.ahead] == [LegMode.HOLD, LegMode.ROAD]
    assert "by plan now air to Frankfurt airport" in page
    assert "handed over at Milan Malpensa" in page


@pytest.mark.parametrize(("hours", "words"), [(5.0, "held at Milan Malpensa")])
def test_a_stop_is_said_as_a_stop(tmp_path: Path, hours: float, words: str) -> None:
    found, _page = where(tmp_path, hours)
    assert found.leg is not None
    assert leg_text(found.leg) == words


def test_after_the_last_leg_nothing_is_ahead(tmp_path: Path) -> None:
    found, page = where(tmp_path, 19.0)
    assert (found.leg, found.ahead) == (None, ())
    assert "Ahead, as planned" not in page
