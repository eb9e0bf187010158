"""Runs the main job as a user would: one command, separate processes."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from cloud.history import HistoryReport, check_history
from schemas.envelope import Withheld, open_envelope, split_sequence
from schemas.errors import ContractError
from schemas.keys import KeyRegistry
from schemas.records import Record, read_record

ROOT = Path(__file__).resolve().parents[2]
SHIPMENT = "S-2026-1147"

T = TypeVar("T")


@dataclass(frozen=True)
class Run:
    """One finished run of ``dosetrail-cloud demo --once``."""

    directory: Path
    status: int
    output: str

    @property
    def keys(self) -> KeyRegistry:
        return KeyRegistry.from_json((self.directory / "keys.json").read_bytes())

    @property
    def history_file(self) -> Path:
        return self.directory / f"{SHIPMENT}.dosetrail"

    @cached_property
    def history(self) -> bytes:
        return self.history_file.read_bytes()

    @cached_property
    def items(self) -> list[bytes]:
        return [i for i in split_sequence(self.history) if not isinstance(i, Withheld)]

    @cached_property
    def records(self) -> list[Record]:
        found = []
        for item in self.items:
            try:
                found.append(read_record(open_envelope(item).payload))
            except ContractError:
                continue  # a fact, a command or a receipt
        return found

    def bodies(self, kind: type[T]) -> list[T]:
        return [r.body for r in self.records if isinstance(r.body, kind)]

    def check(self, data: bytes) -> HistoryReport:
        return check_history(data, self.keys)

    def log(self, name: str) -> str:
        return (self.directory / "logs" / f"{name}.log").read_text()


def run_once(directory: Path, *arguments: str) -> Run:
    """Run one accelerated journey to its end."""
    command = [sys.executable, "-m", "cloud", "demo", "--once"]
    done = subprocess.run(
        [*command, "--directory", str(directory), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
        env=os.environ | {"COLUMNS": "100"},
    )
    return Run(directory, done.returncode, done.stdout + done.stderr)


def pids(directory: Path) -> dict[str, int]:
    """Return the pids of the last processes of a run."""
    found: dict[str, int] = json.loads((directory / "pids.json").read_text())
    return found
