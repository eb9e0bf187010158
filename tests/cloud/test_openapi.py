"""The OpenAPI document: every route, its errors as problems, examples that hold."""

import importlib
import json
import pkgutil
from typing import Any

import jsonschema
import pytest
from fastapi import APIRouter

import cloud.web
from cloud.web.app import create_app
from cloud.web.openapi import EXAMPLES
from cloud.web.problems import MEDIA_TYPE
from tests.make_examples import examples
from tests.web_world import site_without_desk

DOCUMENT: dict[str, Any] = create_app(site_without_desk()).openapi()
REMEDY = "the stored example is an older one: run python -m tests.make_examples"
STORED = json.loads(EXAMPLES.read_text("utf-8"))
OPERATIONS = [
    pytest.param(f"{method.upper()} {path}", operation, id=f"{method} {path}")
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]


def test_every_route_of_the_interface_is_in_the_document() -> None:
    served = set()
    for found in pkgutil.iter_modules(cloud.web.__path__):
        module = importlib.import_module(f"cloud.web.{found.name}")
        router = getattr(module, "router", None)
        if isinstance(router, APIRouter) and router.prefix == "/api":
            served |= {getattr(route, "path", "") for route in router.routes}
    assert served == set(DOCUMENT["paths"])
    assert len(OPERATIONS) >= 20


@pytest.mark.parametrize(("name", "operation"), OPERATIONS)
def test_every_error_is_a_problem(name: str, operation: dict[str, Any]) -> None:
    assert operation["summary"]
    errors = {s: r for s, r in operation["responses"].items() if not s.startswith("2")}
    assert "503" in errors
    for status, response in errors.items():
        ((kind, content),) = response["content"].items()
        assert kind == MEDIA_TYPE, (name, status)
        assert content["example"]["status"] == int(status)
        _validate(content["example"], content["schema"])


@pytest.mark.parametrize(("name", "operation"), OPERATIONS)
def test_every_answer_and_body_has_an_example_that_holds(
    name: str, operation: dict[str, Any]
) -> None:
    good = [r for s, r in operation["responses"].items() if s.startswith("2")]
    examples = [
        (content["example"], content["schema"])
        for response in good
        for content in response["content"].values()
        if "example" in content
    ]
    assert examples, f"{name}: run python -m tests.make_examples"
    for example, schema in examples:
        _validate(example, schema)
    for parameter in operation.get("parameters", []):
        is_optional = not parameter["required"]
        assert is_optional or parameter["schema"].get("examples"), name


def test_the_stored_examples_are_what_the_service_answers() -> None:
    found = _undigested(json.loads(json.dumps(examples())))
    kept = _undigested(STORED)
    assert set(kept) == set(found), REMEDY
    for name in found:
        assert kept[name] == found[name], f"{name}: {REMEDY}"


def _undigested(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Put length for digests: ES256 gives another signature each time."""
    if isinstance(value, list):
        return [_undigested(one) for one in value]
    if isinstance(value, dict):
        return {
            key: len(one) if key == "digest" else _undigested(one)
            for key, one in value.items()
        }
    return value


def _validate(example: object, schema: dict[str, Any]) -> None:
    try:
        whole = {**schema, "components": DOCUMENT["components"]}
        jsonschema.Draft202012Validator(whole).validate(example)
    except jsonschema.ValidationError as error:
        told = f"{error.message}: run python -m tests.make_examples"
        raise AssertionError(told) from error
