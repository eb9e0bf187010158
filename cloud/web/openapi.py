"""The OpenAPI document: what FastAPI knows of the routes, and what it cannot know."""

import json
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from cloud.web.problems import problems
from cloud.web.watch_messages import ProblemMessage

EXAMPLES: Final = Path(__file__).with_name("examples.json")
DESCRIPTION: Final = """\
Estimates are advisory: not a dosage determination. Instants are RFC 3339 with a zone;
activities are in GBq with expanded uncertainty, k = 2. Every error is a problem of
RFC 9457, `application/problem+json`, with a closed `reason`. Facts are believed for
their seal; commands and acknowledgements need the operators' token.
"""
TAGS: Final = (
    {"name": "reading", "description": "What is known of shipments and gateways"},
    {"name": "alarms", "description": "What needs a person, and that one has seen it"},
    {"name": "writing", "description": "Sealed facts as they come, signed commands"},
)


def document(app: FastAPI) -> dict[str, Any]:
    """Return the document of an application, made once."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            description=DESCRIPTION,
            routes=app.routes,
            tags=[dict(tag) for tag in TAGS],
        )
        components = schema.setdefault("components", {}).setdefault("schemas", {})
        components["ProblemMessage"] = ProblemMessage.model_json_schema(
            mode="serialization"
        )
        components.pop("HTTPValidationError", None)
        components.pop("ValidationError", None)
        for operations in schema["paths"].values():
            for operation in operations.values():
                _add_problems(operation["responses"])
        _add_examples(schema)
        app.openapi_schema = schema
    return app.openapi_schema


def _add_problems(responses: dict[str, Any]) -> None:
    """Say of each route what it answers to nonsense, and when it is busy."""
    stated = {str(status): one for status, one in problems(422).items()}
    if "application/json" in responses.get("422", {}).get("content", {}):
        responses["422"] = stated["422"]
    responses.setdefault("503", stated["503"])


def _add_examples(schema: dict[str, Any]) -> None:
    """Put the stored answers of a whole journey beside the routes that gave them."""
    stored: dict[str, dict[str, Any]] = json.loads(EXAMPLES.read_text("utf-8"))
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            for parameter in operation.get("parameters", []):
                _add_known_name(parameter)
            examples = stored.get(f"{method.upper()} {path}", {})
            for status, example in examples.items():
                response = operation["responses"].get(status, {})
                for content in response.get("content", {}).values():
                    content.setdefault("example", example)


_NAMES: Final = {
    "shipment": "S-2026-1147",
    "gateway": "gw-ivrea-07",
    "as_of": "2026-11-26T12:00:00+01:00",
    "appointment": "2026-11-27T09:00:00+01:00",
}


def _add_known_name(parameter: dict[str, Any]) -> None:
    if parameter["name"] in _NAMES:
        parameter["schema"].setdefault("examples", [_NAMES[parameter["name"]]])
