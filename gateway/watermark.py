"""The few facts that must outlive the records: what is receipted, and in which epoch.

One file of two slots, 4096 bytes apart and written before they are needed; a write
goes to the older slot, so that a power cut leaves the other. A slot::

    magic 8 | generation 8 | epoch 8 | sequence 8 | digest 32 | counter 8 | reserved 8
    | CRC-32 4

All integers are big-endian; -1 (two's complement) stands for "none yet".
"""

import contextlib
import os
import struct
import threading
import zlib
from pathlib import Path
from typing import Final, NamedTuple

from gateway.segment import Disk, read_file
from schemas.envelope import ZERO_DIGEST

FILE_NAME: Final = "watermark"
SLOT_BYTES: Final = 4096

_MAGIC: Final = b"DTMARK\x00\x02"
_SLOT: Final = struct.Struct(">8sQ8sq32sqq")
_CRC: Final = struct.Struct(">I")


class Watermark(NamedTuple):
    """All records up to ``sequence`` are in the cloud's ledger; -1 if none is.

    ``digest`` is that of the record at ``sequence``. ``command_counter`` is that of
    the last command taken, -1 before the first. Sequences up to ``reserved`` may have
    been given to records that lay in memory only; -1 if none was.
    """

    epoch: bytes
    sequence: int = -1
    digest: bytes = ZERO_DIGEST
    command_counter: int = -1
    reserved: int = -1


class WatermarkFile:
    """The file of two slots."""

    def __init__(self, folder: Path, disk: Disk) -> None:
        self._folder = folder
        self._path = folder / FILE_NAME
        self._disk = disk
        self._generation = 0
        self._is_suspect = False

    def load(self) -> Watermark | None:
        """Return what was saved last, or None if there is nothing that can be read.

        Raises:
            OSError: the file cannot be opened now.
        """
        data = read_file(self._disk, self._path)
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
        if self._is_suspect or not self._write_slot(slot):
            self._create(slot)
            self._is_suspect = False

    def _write_slot(self, slot: bytes) -> bool:
        """Write to the older slot; False if another file is needed."""
        try:
            descriptor = self._disk.open(self._path, os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            self._disk.write(descriptor, slot, self._generation % 2 * SLOT_BYTES)
        except OSError:
            # The kernel may count the lost page as clean: never again on this file.
            self._is_suspect = True
        finally:
            os.close(descriptor)
        return not self._is_suspect

    def _create(self, slot: bytes) -> None:
        """Put a new file with ``slot`` in both places where the old one was."""
        fresh = self._path.with_suffix(".new")
        with contextlib.suppress(FileNotFoundError):
            self._disk.unlink(fresh)  # of an attempt that failed
        descriptor = self._disk.open(fresh, os.O_RDWR | os.O_CREAT)
        try:
            padded = slot.ljust(SLOT_BYTES, b"\0")
            self._disk.write(descriptor, padded + padded, 0)
        finally:
            os.close(descriptor)
        self._disk.rename(fresh, self._path)
        self._disk.sync_folder(self._folder)


class MarkKeeper:
    """The mark as it is, ``mark``, and as it was last saved, ``saved``.

    One thread may change it while another saves it.
    """

    def __init__(self, file: WatermarkFile, mark: Watermark) -> None:
        self.mark = self.saved = mark
        self.faults = 0
        self._file = file
        self._changing = threading.Lock()

    def release(self, sequence: int, digest: bytes) -> None:
        """All up to ``sequence`` is receipted; durable with the next :meth:`save`."""
        with self._changing:
            self.mark = self.mark._replace(sequence=sequence, digest=digest)

    def reserve(self, sequence: int) -> None:
        """Sequences up to this one count as used; -1 takes it back."""
        with self._changing:
            self.mark = self.mark._replace(reserved=sequence)

    def count_command(self, counter: int) -> None:
        """A command was taken."""
        with self._changing:
            self.mark = self.mark._replace(command_counter=counter)

    def begin(self, epoch: bytes) -> None:
        """Begin a new epoch; of the old one only the command counter stays."""
        with self._changing:
            counter = self.mark.command_counter
            self.mark = Watermark(epoch, command_counter=counter)

    def save(self) -> Watermark | None:
        """Make the mark durable and return it, None if the disk did not take it."""
        mark = self.mark
        if mark != self.saved:
            try:
                self._file.save(mark)
            except OSError:
                self.faults += 1
                return None
            self.saved = mark
        return mark


def _pack(generation: int, watermark: Watermark) -> bytes:
    slot = _SLOT.pack(_MAGIC, generation, *watermark)
    return slot + _CRC.pack(zlib.crc32(slot))


def _unpack(data: bytes) -> tuple[int, Watermark] | None:
    slot, crc = data[: _SLOT.size], data[_SLOT.size :]
    if len(slot) < _SLOT.size or _CRC.pack(zlib.crc32(slot)) != crc:
        return None
    magic, generation, *mark = _SLOT.unpack(slot)
    return (generation, Watermark(*mark)) if magic == _MAGIC else None
