"""Ports: what the cloud needs of the machines around it.

Each names the errors that escape; adapters in ``cloud/adapters/`` translate
everything else.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from cloud.signing import ChainEnd
from cloud.verification import Refusal, VerifiedCommand, VerifiedFact, VerifiedRecord


class Clock(Protocol):
    """The server's time, or the simulator's."""

    @property
    def exercise(self) -> bool:
        """True where time is simulated: all that happens is an exercise."""

    def boot_ns(self) -> int:
        """Return nanoseconds since this boot; never goes back.

        Raises:
            ClockLostError: the simulated clock is gone.
        """

    def utc_ns(self) -> int:
        """Return nanoseconds since the Unix epoch, UTC.

        Raises:
            ClockLostError: the simulated clock is gone.
        """


class Chain(NamedTuple):
    """One epoch of a gateway: its records are one chain."""

    gateway: str
    epoch: bytes


class EntryKind(StrEnum):
    """What an entry of the ledger is."""

    RECORD = "record"
    FACT = "fact"
    COMMAND = "command"


class LedgerEntry(NamedTuple):
    """One sealed item of the ledger, at its place for good.

    ``subject`` is the gateway of a record or command, the author of a fact.
    ``epoch`` is a record's epoch, a fact's kid (an author has one chain per key), and
    empty for a command. ``sequence`` is a command's counter.
    """

    position: int
    kind: EntryKind
    subject: str
    epoch: bytes
    sequence: int
    digest: bytes
    sealed: bytes
    received_at_ns: int


class AppendResult(NamedTuple):
    """What became of a batch: counts, and those refused with their reason.

    ``grown`` are the epochs of which something new was added.
    """

    added: int
    duplicates: int
    conflicts: tuple[Refusal, ...]
    grown: tuple[Chain, ...] = ()


class Watermark(NamedTuple):
    """What the ledger holds of one epoch.

    All sequences up to ``contiguous`` are held or explained by a signed gap;
    ``digest`` is the chain's there. ``ranges`` are the first 17 ranges (first, last)
    above it, lowest first.
    """

    contiguous: int | None
    digest: bytes | None
    ranges: tuple[tuple[int, int], ...]


class Epoch(NamedTuple):
    """One epoch of a gateway and the ledger position of its first record."""

    gateway: str
    epoch: bytes
    first_position: int


class Quarantined(NamedTuple):
    """Something refused, with the start of its bytes."""

    reason: str
    detail: str
    excerpt: bytes
    at_ns: int


class Ledger(Protocol):
    """The system of record: append-only sealed bytes, in the order of acceptance.

    Every method raises :class:`cloud.errors.LedgerError` when the machine below is
    locked, full or gone; then nothing was written. What a method has returned is
    durable. Several processes may use one ledger.
    """

    def append_records(
        self, batch: Sequence[VerifiedRecord], received_at_ns: int
    ) -> AppendResult:
        """Take records in one transaction; what is held already counts as duplicate.

        Judges rules 10 and 11 of :mod:`cloud.verification` against what is held;
        conflicts are kept in quarantine, whole.
        """

    def append_fact(self, fact: VerifiedFact, received_at_ns: int) -> AppendResult:
        """Take one fact; the same fact again is a duplicate."""

    def append_own_fact(
        self,
        owner: tuple[str, bytes],
        seal: Callable[[ChainEnd], VerifiedFact],
        received_at_ns: int,
    ) -> VerifiedFact:
        """Take a fact that ``seal`` makes for the end of the owner's chain.

        ``owner`` is author and kid. It happens in one transaction, so that several
        processes may speak with one key.
        """

    def append_command(self, command: VerifiedCommand, received_at_ns: int) -> bool:
        """Take one command; false if its counter is taken."""

    def next_counter(self, gateway: str) -> int:
        """Return the lowest counter above all commands to ``gateway``, from 1."""

    def entries_after(self, position: int, limit: int) -> list[LedgerEntry]:
        """Return at most ``limit`` entries above ``position`` in their order."""

    def entries_of(
        self, gateway: str, epoch: bytes, from_sequence: int, to_sequence: int
    ) -> list[LedgerEntry]:
        """Return the records of a range of sequences, ends included, ascending."""

    def facts(self) -> list[LedgerEntry]:
        """Return all facts in the order of acceptance."""

    def commands(self, gateway: str | None = None) -> list[LedgerEntry]:
        """Return the commands to one or all gateways in the order of acceptance."""

    def watermark(self, gateway: str, epoch: bytes) -> Watermark:
        """Return what is held of an epoch; cheap however long the history."""

    def gateways(self) -> list[str]:
        """Return the gateways that have records, in alphabetical order."""

    def epochs(self, gateway: str) -> list[Epoch]:
        """Return the epochs of a gateway, first accepted first."""

    def head(self) -> int:
        """Return the position of the last entry, 0 for an empty ledger."""

    def counts(self) -> dict[EntryKind, int]:
        """Return the number of entries of each kind."""

    def quarantine(self, refusals: Sequence[Refusal], at_ns: int) -> None:
        """Keep refusals with the start of their bytes; the oldest make room."""

    def quarantined(self, limit: int) -> list[Quarantined]:
        """Return the newest ``limit`` refusals, newest first."""
