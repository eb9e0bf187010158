"""Write the examples of the OpenAPI document: what the service answers to a journey.

    python -m tests.make_examples

A test keeps each example true to the schema of its route.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

from cloud.web.openapi import EXAMPLES
from tests.builders import GATEWAY, SHIPMENT
from tests.journeys import Cast, papers
from tests.service import populated
from tests.web_world import OPERATOR, World

_LONGEST = 3


def examples() -> dict[str, dict[str, Any]]:
    """Return the answer of every operation by method and path, then by status."""
    with tempfile.TemporaryDirectory() as folder:
        world = populated(Path(folder))
        found = _asked(world)
        world.ledger.close()
        world.series.close()
    return found


def _asked(world: World) -> dict[str, dict[str, Any]]:
    document = world.get("/api/openapi.json")
    found: dict[str, dict[str, Any]] = {}
    for path, operations in document["paths"].items():
        for method in operations:
            if path == "/api/live":
                continue
            answer = world.call(method.upper(), _address(world, path), **_body(path))
            assert answer.is_success, (path, answer.text)
            name = f"{method.upper()} {path}"
            found[name] = {str(answer.status_code): _shortened(answer.json())}
    return found


def _address(world: World, path: str) -> str:
    alarm = world.get("/api/alarms")[0]["name"]
    known = {"shipment": SHIPMENT, "gateway": GATEWAY, "counter": "1", "name": alarm}
    return path.format(**known)


def _body(path: str) -> dict[str, Any]:
    if path.endswith("/facts"):
        return {"content": papers(Cast(exercise=False))[0]}
    if path.endswith("/acknowledge"):
        seen = {"by": "control-3", "remark": "driver called, box is well"}
        return {"headers": OPERATOR, "json": seen}
    if path.endswith("/fingerprint"):
        order = {"step": "background", "real_time_s": 300}
        return {"headers": OPERATOR, "json": order}
    return {"headers": OPERATOR}


def _shortened(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Keep of long arrays what shows their form."""
    if isinstance(value, list):
        return [_shortened(one) for one in value[:_LONGEST]]
    if isinstance(value, dict):
        return {key: _shortened(one) for key, one in value.items()}
    return value


def main() -> None:
    """Write the file."""
    text = json.dumps(examples(), indent=1, ensure_ascii=False)
    EXAMPLES.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
