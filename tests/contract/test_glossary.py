"""The contract's README: every type has a word, and the example is a vector."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import schemas
from schemas.envelope import open_envelope
from tests.schemas import vectors

README = (Path(schemas.__file__ or "").parent / "README.md").read_text("utf-8")


def _public_types() -> Iterator[str]:
    for found in pkgutil.iter_modules(schemas.__path__):
        module = importlib.import_module(f"schemas.{found.name}")
        for name, value in vars(module).items():
            is_here = getattr(value, "__module__", None) == module.__name__
            if inspect.isclass(value) and is_here and not name.startswith("_"):
                yield name


def _glossary() -> set[str]:
    text = README.partition("## Glossary")[2].partition("## Decisions")[0]
    return set(re.findall(r"`([A-Z]\w+)`", text))


def test_every_public_type_is_in_the_glossary() -> None:
    types = set(_public_types())
    assert len(types) > 60
    assert types - _glossary() == set()


def test_the_glossary_has_no_type_that_does_not_exist() -> None:
    assert _glossary() - set(_public_types()) == set()


def test_every_module_is_in_the_layout() -> None:
    text = README.partition("## Layout")[2].partition("## The seal")[0]
    modules = {found.name for found in pkgutil.iter_modules(schemas.__path__)}
    assert modules - set(re.findall(r"`(\w+)`", text)) == set()


def test_the_example_is_the_vector() -> None:
    block = README.partition("```text\n")[2].partition("\n```")[0]
    written = "".join(line[:44].strip() for line in block.splitlines())
    stored = next(
        vector["input_hex"]
        for _content, vector in vectors.every()
        if (vector["kind"], vector["name"]) == ("record", "heartbeat")
    )
    assert written == stored
    assert f"{len(bytes.fromhex(stored))} bytes" in README
    assert vectors.aad_of(
        "record", open_envelope(bytes.fromhex(stored)).payload
    ).hex() in README.replace("`\n`", "")
