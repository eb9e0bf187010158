"""What must outlive a restart, in one small file that is replaced as a whole."""

import logging
import os
from pathlib import Path

_log = logging.getLogger(__name__)


class MemoryFile:
    """Keeps one state; a disk that fails costs the memory and nothing else."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_failing = False

    def recall(self) -> bytes | None:
        """Return what was kept last, None without it."""
        try:
            return self._path.read_bytes()
        except OSError:
            return None

    def keep(self, state: bytes) -> None:
        """Keep a state in place of the one before."""
        try:
            self._replace(state)
        except OSError as error:
            if not self._is_failing:
                _log.warning("event=memory_not_kept reason=%r", error.strerror)
            self._is_failing = True
            return
        self._is_failing = False

    def _replace(self, state: bytes) -> None:
        partial = self._path.with_suffix(".part")
        with partial.open("wb") as file:
            file.write(state)
            file.flush()
            os.fdatasync(file.fileno())
        partial.replace(self._path)
