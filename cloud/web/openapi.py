"""The OpenAPI document: what FastAPI knows of the routes, and what it cannot know."""

import json
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

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
        _add_examples(schema)
        app.openapi_schema = schema
    return app.openapi_schema


def _add_examples(schema: dict[str, Any]) -> None:
    """Put the stored answers of a whole journey beside the routes that gave them."""
    stored: dict[str, dict[str, Any]] = json.loads(EXAMPLES.read_text("utf-8"))
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            examples = stored.get(f"{method.upper()} {path}", {})
            for status, example in examples.items():
                response = operation["responses"].get(status, {})
                for content in response.get("content", {}).values():
                    content.setdefault("example", example)
