"""Real captures played back: the bytes of other people's instruments.

Header lines (``#``) stay out; the rest goes out as it was recorded, one group of
sentences per step, and again from the start when it ends. A group lasts until the
sentence comes again that began it.
"""

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Final

from firmware_sim.errors import ScenarioError

FOLDERS: Final = {"gps": "gps", "dose": "dose_rate"}
MAX_GROUP_LINES: Final = 40


def groups(data: bytes) -> Iterator[bytes]:
    """Yield the groups of sentences of one capture, header lines left out."""
    group: list[bytes] = []
    for line in data.splitlines(keepends=True):
        if line.startswith(b"#"):
            continue
        is_next = bool(group) and _name(line) == _name(group[0])
        if is_next or len(group) >= MAX_GROUP_LINES:
            yield b"".join(group)
            group = []
        group.append(line)
    if group:
        yield b"".join(group)


def _name(line: bytes) -> bytes:
    return line.split(b",", 1)[0]


class Playback:
    """All captures of one folder, in the order of their names, for ever."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise ScenarioError(f"{folder}: no such folder; --replay needs captures")
        logs = sorted(folder.glob("*.log"))
        played = [group for log in logs for group in groups(log.read_bytes())]
        if not played:
            raise ScenarioError(f"{folder}: no captures (*.log) to replay")
        self._played = cycle(played)

    def step(self) -> bytes:
        """Return the next group."""
        return next(self._played)


def playbacks(captures: Path) -> dict[str, Playback]:
    """Return the playback of each port of a folder of captures.

    Raises:
        ScenarioError: the folder, or one of ``gps`` and ``dose_rate``, is missing.
    """
    return {port: Playback(captures / name) for port, name in FOLDERS.items()}
