"""The shipped sample papers, with changes, for tests."""

import pytest

from cloud.demo import papers as demo
from cloud.paper_checks import remarks
from cloud.paper_sheet import PaperError
from cloud.papers import open_paper, read_paper
from schemas.facts import FactBody

SAMPLES = demo.FOLDER


def sample(name: str, *changes: tuple[str, str]) -> bytes:
    """Return a shipped sample with some of its text replaced."""
    text = (SAMPLES / f"{name}.toml").read_text()
    for old, new in changes:
        assert old in text, f"{name}.toml has no {old!r}"
        text = text.replace(old, new)
    return text.encode()


def read(name: str, *changes: tuple[str, str]) -> FactBody:
    return read_paper(sample(name, *changes), str(SAMPLES / f"{name}.toml"))


def refused(name: str, *changes: tuple[str, str]) -> list[str]:
    """Return what is said of a refused paper, without the folder."""
    with pytest.raises(PaperError) as caught:
        read(name, *changes)
    return str(caught.value).replace(f"{SAMPLES}/", "").splitlines()


def remarked(name: str, *changes: tuple[str, str]) -> tuple[str, ...]:
    paper = open_paper(sample(name, *changes), str(SAMPLES / f"{name}.toml"))
    return paper.remarks + remarks(paper.body)
