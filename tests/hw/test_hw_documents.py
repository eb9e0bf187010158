"""Parts list, drawings and deployment files say what they must."""

import configparser
import csv
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

HW = Path(__file__).parents[2] / "hw"
DEPLOY = HW / "deploy"
GATEWAY_NAME = re.compile(r"[a-z0-9-]{3,32}")
UP = {"alarm", "live", "bulk"}
DOWN = {"receipt", "command"}


def _parts() -> list[dict[str, str]]:
    with (HW / "bom.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_every_part_is_complete_and_says_how_it_is_known() -> None:
    rows = _parts()
    references = [row["reference"] for row in rows]
    assert len(set(references)) == len(references)
    for row in rows:
        assert None not in row, row
        assert all(row.values()), row
        assert int(row["quantity"]) > 0
        assert float(row["mass_g"]) > 0.0
        assert float(row["power_mw"]) >= 0.0
        assert row["price_class"] in {"A", "B", "C"}


def test_readme_states_the_mass_of_the_parts() -> None:
    mass_kg = sum(int(r["quantity"]) * float(r["mass_g"]) for r in _parts()) / 1000
    readme = (HW / "README.md").read_text(encoding="utf-8")
    assert f"{mass_kg:.1f} kg without the package" in readme


@pytest.mark.parametrize("name", ["container.svg", "wiring.svg"])
def test_drawing_is_well_formed_with_title_and_description(name: str) -> None:
    root = ET.fromstring((HW / "drawings" / name).read_text(encoding="utf-8"))  # noqa: S314 - our own file
    space = "{http://www.w3.org/2000/svg}"
    assert root.tag == f"{space}svg"
    assert root.find(f"{space}title") is not None
    assert root.find(f"{space}desc") is not None


@pytest.mark.parametrize(
    "page", sorted(HW.rglob("*.md")), ids=lambda page: str(page.relative_to(HW))
)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    missing = [t for t in targets if not (page.parent / t).exists()]
    assert missing == []


def test_decisions_are_numbered_and_short() -> None:
    text = (HW / "README.md").read_text(encoding="utf-8").split("## Decisions\n")[1]
    decisions = [d for d in text.strip().split("\n\n") if d]
    numbers = [int(d.split(".", 1)[0]) for d in decisions]
    assert numbers == list(range(1, len(decisions) + 1))
    for decision in decisions:
        flat = " ".join(decision.split())
        assert len(decision.splitlines()) <= 8
        assert all(word in flat for word in ("Context:", "Choice:", "Consequence:"))


def _rules(user: str | None) -> set[tuple[str, str]]:
    """Topics of the access list: the patterns (no user) or those of one user."""
    current: str | None = None
    found: set[tuple[str, str]] = set()
    for line in (DEPLOY / "dosetrail.acl").read_text(encoding="utf-8").splitlines():
        words = line.split()
        if not words or line.startswith("#"):
            continue
        if words[0] == "user":
            current = words[1]
        elif (words[0] == "pattern" and user is None) or (
            words[0] == "topic" and user == current
        ):
            found.add((words[1], words[2]))
    return found


def test_gateway_writes_its_lanes_and_reads_its_answers_only() -> None:
    assert _rules(None) == {("write", f"dosetrail/1/%u/{lane}") for lane in UP} | {
        ("read", f"dosetrail/1/%u/{answer}") for answer in DOWN
    }


def test_ingest_reads_the_lanes_and_writes_the_answers_only() -> None:
    assert _rules("cloud.ingest") == {
        ("read", f"dosetrail/1/+/{lane}") for lane in UP
    } | {("write", f"dosetrail/1/+/{answer}") for answer in DOWN}


def test_no_gateway_can_carry_the_name_of_a_service() -> None:
    text = (DEPLOY / "dosetrail.acl").read_text(encoding="utf-8")
    services = re.findall(r"^user (\S+)$", text, re.MULTILINE)
    assert services
    assert not any(GATEWAY_NAME.fullmatch(service) for service in services)


def test_broker_asks_for_certificates_and_keeps_nothing() -> None:
    lines = (DEPLOY / "mosquitto.conf").read_text(encoding="utf-8").splitlines()
    settings = [line for line in lines if line and not line.startswith("#")]
    for needed in (
        "allow_anonymous false",
        "require_certificate true",
        "use_identity_as_username true",
        "persistence false",
    ):
        assert needed in settings
    assert [s for s in settings if s.startswith("listener")] == ["listener 8883"]


def _unit() -> dict[str, list[str]]:
    text = (DEPLOY / "dosetrail-gateway.service").read_text(encoding="utf-8")
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            found.setdefault(key, []).append(value)
    return found


def test_unit_restarts_for_ever_and_waits_for_no_network() -> None:
    unit = _unit()
    assert unit["Restart"] == ["always"]
    assert unit["StartLimitIntervalSec"] == ["0"]
    assert not any("network" in v for values in unit.values() for v in values)


def test_unit_sees_serial_lines_only_and_lets_numba_compile() -> None:
    unit = _unit()
    assert unit["DevicePolicy"] == ["closed"]
    assert all(v.startswith("char-tty") for v in unit["DeviceAllow"])
    assert unit["NoNewPrivileges"] == ["yes"]
    assert unit["StateDirectoryMode"] == ["0700"]
    assert unit["CacheDirectoryMode"] == ["0700"]
    assert "MemoryDenyWriteExecute" not in unit


def test_journal_stays_in_memory() -> None:
    journal = configparser.ConfigParser()
    journal.read(DEPLOY / "journald.conf", encoding="utf-8")
    assert journal["Journal"]["Storage"] == "volatile"


def test_modem_manager_leaves_the_board_alone() -> None:
    text = (DEPLOY / "99-dosetrail.rules").read_text(encoding="utf-8")
    board = next(line for line in text.splitlines() if "dosetrail-board" in line)
    assert 'ENV{ID_MM_DEVICE_IGNORE}="1"' in board
