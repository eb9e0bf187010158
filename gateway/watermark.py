"""The few facts that must outlive the records: what is receipted, and in which epoch.

One file of two slots, 4096 bytes apart and written before they are needed; a write
goes to the older slot, so that a power cut leaves the other. A slot::

    magic 8 | generation 8 | epoch 8 | sequence 8 | digest 32 | counter 8 | CRC-32 4

All integers are big-endian; -1 (two's complement) stands for "none yet".
"""

import os
import struct
import zlib
from pathlib import Path
from typing import Final, NamedTuple

from gateway.segment import Disk
from schemas.envelope import ZERO_DIGEST

FILE_NAME: Final = "watermark"
SLOT_BYTES: Final = 4096

_MAGIC: Final = b"DTMARK\x00\x01"
_SLOT: Final = struct.Struct(">8sQ8sq32sq")
_CRC: Final = struct.Struct(">I")


class Watermark(NamedTuple):
    """All records up to ``sequence`` are in the cloud's ledger; -1 if none is.

    ``digest`` is that of the record at ``sequence``. ``command_counter`` is that of
    the last command taken, -1 before the first.
    """

    epoch: bytes
    sequence: int = -1
    digest: bytes = ZERO_DIGEST
    command_counter: int = -1


class WatermarkFile:
    """The file of two slots."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self._folder = folder
        self._path = folder / FILE_NAME
        self._disk = disk
        self._generation = 0

    def load(self) -> Watermark | None:
        """Return what was saved last, or None if there is nothing that can be read."""
        try:
            data = self._path.read_bytes()
        except OSError:
            return None
        slots = [_unpack(data[at : at + _SLOT.size + 4]) for at in (0, SLOT_BYTES)]
        found = [slot for slot in slots if slot is not None]
        if not found:
            return None
        self._generation, newest = max(found)
        return newest

    def save(self, watermark: Watermark) -> None:
        """Make the watermark durable.

        Raises:
            OSError: it may or may not be on the disk; the one before may have gone.
        """
        self._generation += 1
        slot = _pack(self._generation, watermark)
        try:
            descriptor = self._disk.open(self._path, os.O_RDWR)
        except FileNotFoundError:
            self._create(slot)
            return
        try:
            self._disk.write(descriptor, slot, self._generation % 2 * SLOT_BYTES)
        except OSError:
            # The kernel may count the lost page as clean: never again on this file.
            self._create(slot)
        finally:
            os.close(descriptor)

    def _create(self, slot: bytes) -> None:
        """Put a new file with ``slot`` in both places where the old one was."""
        fresh = self._path.with_suffix(".new")
        descriptor = self._disk.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        try:
            padded = slot.ljust(SLOT_BYTES, b"\0")
            self._disk.write(descriptor, padded + padded, 0)
        finally:
            os.close(descriptor)
        self._disk.rename(fresh, self._path)
        self._disk.sync_folder(self._folder)


def _pack(generation: int, watermark: Watermark) -> bytes:
    epoch, sequence, digest, counter = watermark
    slot = _SLOT.pack(_MAGIC, generation, epoch, sequence, digest, counter)
    return slot + _CRC.pack(zlib.crc32(slot))


def _unpack(data: bytes) -> tuple[int, Watermark] | None:
    slot, crc = data[: _SLOT.size], data[_SLOT.size :]
    if len(slot) < _SLOT.size or _CRC.pack(zlib.crc32(slot)) != crc:
        return None
    magic, generation, epoch, sequence, digest, counter = _SLOT.unpack(slot)
    if magic != _MAGIC:
        return None
    return generation, Watermark(epoch, sequence, digest, counter)
