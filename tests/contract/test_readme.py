"""What README.md names is there: commands, flags, files, links, sub-commands."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import cloud.__main__
import firmware_sim.__main__
import gateway.__main__

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
PAGES = sorted(
    page
    for page in [*ROOT.glob("*.md"), *ROOT.glob("*/README.md")]
    if not page.parent.name.startswith(".")
)
PROGRAMS: dict[str, typer.Typer] = {
    "dosetrail-gateway": gateway.__main__.app,
    "dosetrail-sim": firmware_sim.__main__.app,
    "dosetrail-cloud": cloud.__main__.app,
}
# Files of a run or of a machine, not of the checkout.
MADE = ("S-2026-1147.dosetrail", "keys.json", "var/runs/", ".venv/")


def commands_of(program: str) -> dict[str, Any]:
    """Return a program's commands by their words, such as ``keys new``."""
    found: dict[str, Any] = {}

    def walk(command: Any, words: tuple[str, ...]) -> None:  # noqa: ANN401 - click's
        if inner := getattr(command, "commands", None):
            for name, one in inner.items():
                walk(one, (*words, name))
        else:
            found[" ".join(words)] = command

    walk(typer.main.get_command(PROGRAMS[program]), ())
    return found


def options_of(command: Any) -> set[str]:  # noqa: ANN401 - click's
    return {name for parameter in command.params for name in parameter.opts}


def code_lines(text: str) -> list[str]:
    """Return the lines of all fenced blocks without their comments."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S)
    lines = [line.partition("  #")[0].strip() for b in blocks for line in b.split("\n")]
    return [line.removeprefix("$ ") for line in lines if line]


def uses(program: str, text: str) -> Iterator[list[str]]:
    """Yield the words behind a program's name, in blocks and in inline code."""
    inline = re.findall(r"`([^`\n]+)`", text)
    for line in (*code_lines(text), *inline):
        words = line.split()
        for place, word in enumerate(words):
            if word == program or word.endswith(f"/{program}"):
                yield words[place + 1 :]


def make_targets() -> set[str]:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    return set(re.findall(r"^([a-z]+):", makefile, re.M))


def test_the_table_of_commands_is_what_the_programs_have() -> None:
    for program in PROGRAMS:
        (row,) = re.findall(rf"^\| `{program}` \| (.*) \|$", README, re.M)
        assert set(re.findall(r"`([^`]+)`", row)) == set(commands_of(program))


def test_the_programs_are_installed_by_these_names() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert set(scripts) == set(PROGRAMS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
@pytest.mark.parametrize("program", PROGRAMS)
def test_every_command_and_flag_that_a_page_names_is_there(
    page: Path, program: str
) -> None:
    commands = commands_of(program)
    groups = {name.split()[0] for name in commands} - set(commands)
    for words in uses(program, page.read_text("utf-8")):
        if not words or words[0].startswith("-"):
            continue
        count = 2 if words[0] in groups and len(words) > 1 else 1
        name = " ".join(words[:count]).rstrip(",;:")
        assert name in commands or name in groups, (page.name, words)
        if name in commands:
            flags = {word.split("=")[0] for word in words if word.startswith("--")}
            assert flags <= options_of(commands[name]) | {"--help"}, (page.name, words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_target_of_make_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text("utf-8")
    lines = [*code_lines(text), *re.findall(r"`(make [^`\n]+)`", text)]
    demo = options_of(commands_of("dosetrail-cloud")["demo"])
    for line in (line for line in lines if line.startswith("make ")):
        words = shlex.split(line)[1:]
        targets = {word for word in words if "=" not in word}
        assert targets <= make_targets(), line
        given = [word.removeprefix("ARGS=") for word in words if "=" in word]
        flags = {flag for text in given for flag in text.split() if flag[:2] == "--"}
        if targets == {"run"}:
            assert flags <= demo, line


def test_the_readme_shows_the_main_job() -> None:
    lines = code_lines(README)
    assert "make run" in lines
    assert "make run ARGS=--once" in lines
    assert "make test" in lines


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S)
    targets = re.findall(r"\]\(([^)#\s]+)\)", text)
    local = [one for one in targets if "://" not in one]
    assert [one for one in local if not (page.parent / one).exists()] == []


def test_files_that_the_readme_names_are_there() -> None:
    inline = re.findall(r"`([^`\s]+)`", README)
    blocks = [word for line in code_lines(README) for word in line.split()]
    folders = {path.name for path in ROOT.iterdir() if path.is_dir()}
    named = {
        word
        for word in (*inline, *blocks)
        if "/" in word
        and not word.startswith(MADE)
        and ".venv/" not in word
        and word.split("/")[0] in folders
    }
    assert len(named) > 15
    assert sorted(word for word in named if not (ROOT / word).exists()) == []


def test_follow_one_reading_is_ten_files_that_a_person_can_read() -> None:
    section = README.partition("## Follow one reading")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\d+) \| `([^`]+)` \|", section, re.M)
    assert [int(number) for number, _ in rows] == list(range(1, 11))
    assert all((ROOT / path).exists() for _, path in rows)


def test_every_folder_with_a_readme_is_in_the_table() -> None:
    section = README.partition("## Where things are")[2].partition("\n## ")[0]
    for page in ROOT.glob("*/README.md"):
        if not page.parent.name.startswith("."):
            assert f"]({page.relative_to(ROOT)})" in section
