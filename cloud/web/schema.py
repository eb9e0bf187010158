"""Writes JSON Schema files of everything that the programming interface answers.

Run ``python -m cloud.web.schema`` after a change of :mod:`cloud.web.messages` or
:mod:`cloud.web.dose_messages`; a test keeps the files and the types equal.
"""

import json
import re
from pathlib import Path
from typing import Final

import schemas
from cloud.web.dose_messages import DoseMessage
from cloud.web.message import Message
from cloud.web.messages import (
    ArrivalMessage,
    CommandMessage,
    HealthMessage,
    IssuedMessage,
    ListMessage,
    RouteMessage,
    SeriesListMessage,
    ShipmentMessage,
    StoreMessage,
    TakenMessage,
)
from cloud.web.watch_messages import (
    AuditMessage,
    CustodyMessage,
    EventMessage,
    ProblemMessage,
)

ANSWERS: tuple[type[Message], ...] = (
    ListMessage,
    ShipmentMessage,
    ArrivalMessage,
    SeriesListMessage,
    RouteMessage,
    CustodyMessage,
    EventMessage,
    HealthMessage,
    StoreMessage,
    TakenMessage,
    IssuedMessage,
    CommandMessage,
    ProblemMessage,
    AuditMessage,
    DoseMessage,
)
FOLDER: Final = Path(schemas.__file__).with_name("json")


def documents() -> dict[str, str]:
    """Return the text of each schema by its file name."""
    found = {}
    for answer in ANSWERS:
        stem = re.sub(r"(?<!^)(?=[A-Z])", "-", answer.__name__.removesuffix("Message"))
        name = f"web-{stem.lower()}.json"
        schema = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **answer.model_json_schema(mode="serialization"),
        }
        found[name] = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    return found


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in documents().items():
        (FOLDER / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
