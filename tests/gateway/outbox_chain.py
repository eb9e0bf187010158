"""Sealed records for tests of the outbox: a chain that grows with the outbox."""

from gateway.outbox import DroppedRange, Outbox, Priority
from schemas.envelope import digest, open_envelope
from schemas.events import Evidence
from schemas.keys import Algorithm, Ed25519Signer, OwnerKind, PublicKey
from schemas.records import (
    KINDS,
    Body,
    Gap,
    Header,
    Heartbeat,
    Record,
    TimeSource,
    read_record,
    seal_record,
)

GATEWAY = "gw-test"
SIGNER = Ed25519Signer(bytes(range(32)))
OWN_KEY = PublicKey(GATEWAY, OwnerKind.GATEWAY, Algorithm.EDDSA, SIGNER.public_key)
CLOUD_SIGNER = Ed25519Signer(bytes(range(1, 33)))
CLOUD_KEY = PublicKey(
    "cloud", OwnerKind.CLOUD, Algorithm.EDDSA, CLOUD_SIGNER.public_key
)
HEARTBEAT = Heartbeat(0, bytes(32), 0, 0, 0)


def filler(size: int) -> Evidence:
    """Return a body of about ``size`` bytes."""
    return Evidence(0, 0, 1, "board", 0, 1600.0, 800.0, 0.25, b"\xd2\x84" * (size // 2))


def add(outbox: Outbox, body: Body, priority: Priority = Priority.BULK) -> bytes:
    """Seal ``body`` as the next record, add it and return the sealed bytes."""
    header = Header(
        version=1,
        gateway=GATEWAY,
        epoch=outbox.epoch,
        sequence=outbox.next_sequence,
        kind=KINDS[type(body)],
        previous=outbox.head_digest,
        boot_id=bytes(16),
        boot_ns=1_000_000 * outbox.next_sequence,
        time_source=TimeSource.NONE,
        exercise=False,
    )
    sealed = seal_record(header, body, SIGNER)
    outbox.add(sealed, header.sequence, priority)
    return sealed


def commit_each(outbox: Outbox, count: int, size: int = 200) -> list[bytes]:
    """Add and commit ``count`` bulk records one by one; return them."""
    sealed = []
    for _ in range(count):
        sealed.append(add(outbox, filler(size)))
        outbox.commit()
    return sealed


def add_gap(outbox: Outbox, dropped: DroppedRange) -> None:
    """State a range that was dropped."""
    lost = Gap(
        dropped.from_sequence, dropped.to_sequence, dropped.reason, dropped.digest
    )
    add(outbox, lost, Priority.ALARM)


def opened(sealed: bytes) -> Record:
    """Return the record in sealed bytes."""
    return read_record(open_envelope(sealed).payload)


def assert_linked(outbox: Outbox, first: int = 0) -> None:
    """Check that every stored record from ``first`` on names the one before it."""
    at = first
    while records := outbox.read(at):
        for record in records:
            header = opened(record.sealed).header
            assert header.sequence == record.sequence
            assert digest(record.sealed) == outbox.digest_at(record.sequence)
            if record.sequence > 0:
                before = outbox.digest_at(record.sequence - 1)
                assert before in (None, header.previous)
        at = records[-1].sequence + 1
