"""The JSON Schema files are those of the types, and the answers keep to them."""

import json
from pathlib import Path

import jsonschema
import pytest

import schemas
from cloud.web.messages import ActivityMessage, ListMessage, ShipmentMessage
from cloud.web.schema import ANSWERS, documents
from cloud.web.watch_messages import ProblemMessage

FOLDER = Path(schemas.__file__).with_name("json")


def test_files_and_types_are_equal() -> None:
    written = {path.name: path.read_text("utf-8") for path in FOLDER.glob("web-*.json")}
    assert written == documents(), "run: python -m cloud.web.schema"
    assert len(written) == len(ANSWERS)


@pytest.mark.parametrize("name", sorted(documents()))
def test_each_is_a_valid_schema_that_refuses_the_unknown(name: str) -> None:
    schema = json.loads((FOLDER / name).read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["additionalProperties"] is False


def test_an_answer_keeps_to_its_schema() -> None:
    schema = json.loads((FOLDER / "web-list.json").read_text("utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    now = ActivityMessage(
        at="2026-11-23T12:00:00Z",
        activity_gbq=7.4,
        activity_expanded_u_gbq=0.37,
        percent_of_prescribed=100.0,
    )
    plain = dict.fromkeys(ShipmentMessage.model_fields)
    shipment = ShipmentMessage.model_validate(
        plain
        | {"shipment": "S-1", "exercise": True, "phase": "packed", "open_alarms": 0}
        | {"plans": (), "legs": (), "now": now}
    )
    answer = ListMessage(now=now.at, exercise=True, shipments=(shipment,))
    document = json.loads(answer.model_dump_json())
    validator.validate(document)
    document["shipments"][0]["now"]["activity_gbq"] = "7.4 GBq"
    assert not validator.is_valid(document)


def test_refusals_say_reason_and_detail() -> None:
    schema = json.loads((FOLDER / "web-problem.json").read_text("utf-8"))
    assert schema["required"] == list(ProblemMessage.model_fields)
