"""An arrival at risk is stated once when it begins and once when it is over."""

from pathlib import Path

import msgspec

from cloud.statements import Voice
from cloud.watchman import due_notices
from schemas.custody import NoticeKind
from tests.builders import SHIPMENT
from tests.journeys import APPOINTMENT_NS, HOUR_NS
from tests.web_world import World


def test_lateness_begins_once_and_is_over_once(tmp_path: Path) -> None:
    world = World(tmp_path, exercise=False)
    world.travel(4.0)
    assert due_notices(world.desk.situations()) == []
    world.clock.now_ns = APPOINTMENT_NS - HOUR_NS // 60
    (notice,) = due_notices(world.desk.situations())
    assert (notice.what, notice.shipment) == (NoticeKind.ARRIVAL_LATE, SHIPMENT)
    voice = Voice("cloud", world.cast.cloud.signer, False)
    voice.state(world.ledger, notice, world.clock.now_ns)
    assert due_notices(world.desk.situations()) == []
    (alarm,) = [
        a for a in world.get("/api/alarms") if a["what"] == NoticeKind.ARRIVAL_LATE
    ]
    assert "recipient" in alarm["told"]
    world.clock.now_ns = notice.at_ns - 60 * HOUR_NS
    (over,) = due_notices(world.desk.situations())
    assert over.is_over
    world.clock.now_ns = notice.at_ns
    voice.state(world.ledger, msgspec.structs.replace(over, at_ns=notice.at_ns + 1), 0)
    assert not [
        a for a in world.get("/api/alarms") if a["what"] == NoticeKind.ARRIVAL_LATE
    ]
    world.ledger.close()
    world.series.close()
