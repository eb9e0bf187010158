"""Segment files: header, padding, and what a scan makes of damage."""

import os
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.outbox import Outbox, OutboxLimits
from gateway.recovery import is_genuine
from gateway.scan import peek, scan
from gateway.segment import (
    HEADER_BYTES,
    Addition,
    Disk,
    FileSegment,
    MemorySegment,
    Priority,
    SegmentHeader,
    SegmentIndex,
    pack_header,
    unpack_header,
)
from schemas.envelope import ZERO_DIGEST, digest
from schemas.records import Header, TimeSource, seal_record
from tests.gateway.outbox_chain import (
    GATEWAY,
    OWN_KEY,
    SIGNER,
    add,
    assert_linked,
    filler,
)

EPOCH = b"epoch-01"
HEADER = SegmentHeader(Priority.BULK, EPOCH, 0, ZERO_DIGEST)
CAPACITY = 20 * 1024


def chain(count: int, epoch: bytes = EPOCH) -> list[bytes]:
    sealed: list[bytes] = []
    for sequence in range(count):
        header = Header(
            version=1,
            gateway=GATEWAY,
            epoch=epoch,
            sequence=sequence,
            kind="evidence",
            previous=digest(sealed[-1]) if sealed else ZERO_DIGEST,
            boot_id=bytes(16),
            boot_ns=sequence,
            time_source=TimeSource.NONE,
            exercise=False,
        )
        sealed.append(seal_record(header, filler(50 * sequence), SIGNER))
    return sealed


CHAIN = chain(8)
FILE = (pack_header(HEADER) + b"".join(CHAIN)).ljust(CAPACITY, b"\0")
STARTS = [HEADER_BYTES + sum(map(len, CHAIN[:at])) for at in range(len(CHAIN) + 1)]


def additions(sealed: list[bytes]) -> list[Addition]:
    return [Addition(at, one, digest(one)) for at, one in enumerate(sealed)]


def test_header_has_the_documented_layout() -> None:
    header = SegmentHeader(Priority.ALARM, b"12345678", 0x0102030405060708, b"d" * 32)
    block = pack_header(header)
    assert len(block) == HEADER_BYTES
    assert block[:8] == b"DTSEG\0\0\x01"
    assert block[8] == 1
    assert block[12:20] == b"12345678"
    assert block[20:28] == bytes(range(1, 9))
    assert block[28:60] == b"d" * 32
    assert unpack_header(block) == header


@given(at=st.integers(0, 8 * HEADER_BYTES - 1))
def test_header_with_any_flipped_bit_is_refused(at: int) -> None:
    block = bytearray(pack_header(HEADER))
    block[at // 8] ^= 1 << at % 8
    assert unpack_header(bytes(block)) is None


def test_peek_reads_what_the_header_says() -> None:
    found = peek(CHAIN[3])
    assert found == (EPOCH, 3, "evidence", digest(CHAIN[2]))


def test_scan_finds_every_record_and_nothing_bad() -> None:
    found = scan(FILE, EPOCH)
    assert list(found.records.sequences) == list(range(8))
    assert [found.records.digest(at) for at in range(8)] == [digest(c) for c in CHAIN]
    assert found.bad == []


def test_padding_between_records_is_skipped() -> None:
    spaced = b"".join(one + bytes(at * 7) for at, one in enumerate(CHAIN))
    found = scan(pack_header(HEADER) + spaced, EPOCH)
    assert list(found.records.sequences) == list(range(8))
    assert found.bad == []


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(HEADER_BYTES, STARTS[-1] - 1))
def test_torn_anywhere_the_records_before_it_are_found(cut: int) -> None:
    found = scan(FILE[:cut].ljust(CAPACITY, b"\0"), EPOCH)
    whole = sum(1 for end in STARTS[1:] if end <= cut)
    # A signature whose end is missing reads as one that ends in zeros.
    in_signature = whole < 8 and cut >= STARTS[whole + 1] - 64
    assert len(found.records) == whole + in_signature
    assert all(start >= STARTS[whole] for start, _ in found.bad)


@settings(max_examples=60, deadline=None)
@example(at=0, where=0.19140625, value=1)
@example(at=0, where=0.19140625, value=0x17)
@given(at=st.integers(0, 6), where=st.floats(0, 0.99), value=st.integers(1, 255))
def test_damage_costs_one_record_at_most(at: int, where: float, value: int) -> None:
    data = bytearray(FILE)
    data[STARTS[at] + int(where * len(CHAIN[at]))] ^= value
    found = scan(bytes(data), EPOCH, is_genuine(OWN_KEY))
    whole = set(range(8)) - {at}
    good = {
        found.records.sequences[position]
        for position in range(len(found.records))
        if found.records.digest(position) in map(digest, CHAIN)
    }
    assert whole <= good


def test_a_record_of_another_epoch_is_bad() -> None:
    strange = chain(1, b"epoch-02")[0]
    found = scan(pack_header(HEADER) + CHAIN[0] + strange + CHAIN[1], EPOCH)
    assert list(found.records.sequences) == [0, 1]
    assert found.bad == [(STARTS[1], STARTS[1] + len(strange))]


def test_any_bytes_are_survived() -> None:
    found = scan(pack_header(HEADER) + b"\xd2\x84" * 500 + b"\xff" * 500, EPOCH)
    assert len(found.records) == 0
    assert found.bad == [(HEADER_BYTES, HEADER_BYTES + 1500)]


def make_file(path: Path, disk: Disk | None = None) -> FileSegment:
    path.write_bytes(pack_header(HEADER).ljust(CAPACITY, b"\0"))
    return FileSegment(disk or Disk(), path, HEADER, SegmentIndex(), CAPACITY)


def test_written_records_are_read_back_and_scanned(tmp_path: Path) -> None:
    segment = make_file(tmp_path / "one.seg")
    for one in additions(CHAIN):
        assert segment.room >= len(one.sealed)
        segment.write([one])
        segment.adopt([one])
    segment.close()
    assert segment.read(range(8)) == CHAIN
    assert segment.read([6, 2]) == [CHAIN[6], CHAIN[2]]
    assert (tmp_path / "one.seg").read_bytes() == FILE


def test_one_write_is_one_pwrite_and_one_fdatasync(tmp_path: Path) -> None:
    calls: list[str] = []

    def pwrite(descriptor: int, data: bytes, offset: int) -> int:
        calls.append("pwrite")
        return os.pwrite(descriptor, data, offset)

    def fdatasync(descriptor: int) -> None:
        calls.append("fdatasync")
        os.fdatasync(descriptor)

    segment = make_file(tmp_path / "a.seg", Disk(pwrite=pwrite, fdatasync=fdatasync))
    segment.write(additions(CHAIN))
    segment.close()
    assert calls == ["pwrite", "fdatasync"]


def test_memory_segment_reads_like_a_file() -> None:
    segment = MemorySegment(HEADER, CAPACITY)
    segment.write(additions(CHAIN))
    segment.adopt(additions(CHAIN))
    assert segment.read(range(8)) == CHAIN
    assert segment.room == CAPACITY - STARTS[-1]


def test_index_forgets_one_record() -> None:
    index = scan(FILE, EPOCH).records
    index.remove(3)
    assert list(index.sequences) == [0, 1, 2, 4, 5, 6, 7]
    assert index.digest(3) == digest(CHAIN[4])
    assert index.position(3) == 3


def test_a_group_that_nearly_fills_its_blocks_is_padded_to_their_end(
    tmp_path: Path,
) -> None:
    outbox = Outbox.open(tmp_path, OutboxLimits(reserve_bytes=0))
    for count in (12, 12, 3, 1, 12):
        for _ in range(count):
            add(outbox, filler(100))
        outbox.commit()
    (segment,) = outbox._lanes._segments[Priority.BULK]
    offsets = segment.index.offsets
    assert (offsets[12], offsets[24]) == (4096, 8192)
    assert offsets[27] == offsets[26] + segment.index.sizes[26]  # not worth it
    assert offsets[28] == offsets[27] + segment.index.sizes[27]
    outbox.close()
    outbox = Outbox.open(tmp_path, OutboxLimits(reserve_bytes=0))
    assert outbox.head_sequence == 39
    assert outbox.take_gaps() == []
    assert_linked(outbox)
    outbox.close()
