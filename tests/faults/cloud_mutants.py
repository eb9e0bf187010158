"""Bugs of the cloud, each one patch of a real class."""
# ruff: noqa: ANN401 - what a mutant passes on is none of its business

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sql

import cloud.adapters.ledger as ledger_module
import cloud.ingest as ingest_module
from cloud import verification
from cloud.adapters import ledger_tables as tables
from cloud.adapters.held_ranges import HeldRanges
from cloud.adapters.series import SqliteSeries
from cloud.ingest import Ingestor
from cloud.ports import AppendResult, Chain
from cloud.receipting import make_receipt
from cloud.verification import Held, Refusal, VerifiedRecord
from schemas.topics import Lane, topic
from tests.faults.patching import replaced

# The cloud


@contextmanager
def no_verification() -> Iterator[None]:
    from cloud import verification

    def trust(*_args: object) -> None:
        return None

    with (
        replaced(verification, "_judge_seal", trust),
        replaced(verification, "_judge_owner", trust),
    ):
        yield


@contextmanager
def no_dedupe() -> Iterator[None]:
    """Neither the look nor the table minds what is there already."""
    constraints = tables.entries.constraints
    unique = {one for one in constraints if isinstance(one, sql.UniqueConstraint)}
    constraints -= unique

    def blind(_self: HeldRanges, _sequences: object) -> tables.Links:
        return tables.Links()

    try:
        with replaced(HeldRanges, "links", blind):
            yield
    finally:
        constraints |= unique


@contextmanager
def receipt_before_commit() -> Iterator[None]:
    append_chain, keep = ledger_module._append_chain, Ingestor._keep
    worker: list[Ingestor] = []

    def remember(self: Ingestor, messages: Any, now_s: float) -> bool:
        worker[:] = [self]
        return keep(self, messages, now_s)

    def hasty(
        connection: Any, chain: Chain, batch: list[VerifiedRecord], now_ns: int
    ) -> AppendResult:
        result = append_chain(connection, chain, batch, now_ns)
        watermark = HeldRanges(connection, chain).watermark()
        sealed = make_receipt(chain, watermark, now_ns, worker[0]._signer)
        worker[0]._line.publish(topic(chain.gateway, Lane.RECEIPT), sealed)
        return result

    with (
        replaced(Ingestor, "_keep", remember),
        replaced(ledger_module, "_append_chain", hasty),
    ):
        yield


@contextmanager
def chain_link_unchecked() -> Iterator[None]:
    judge = verification.judge_chain

    def only_the_place(
        sealed: bytes, digest: bytes, previous: bytes, held: Held
    ) -> Refusal | None:
        return judge(sealed, digest, previous, Held(same=held.same))

    with replaced(ledger_module, "judge_chain", only_the_place):
        yield


@contextmanager
def topic_unchecked() -> Iterator[None]:
    """A message is counted to the gateway of its topic, not of its header."""
    verify = verification.verify_record

    def without_topic(sealed: bytes, registry: Any, _topic: str) -> Any:
        found = verify(sealed, registry)
        if isinstance(found, Refusal):
            return found
        header = {f: getattr(found.header, f) for f in found.header.__struct_fields__}
        header["gateway"] = _topic
        return dataclasses.replace(found, header=type(found.header)(**header))

    with replaced(ingest_module, "verify_record", without_topic):
        yield


_LATEST = (
    "INSERT INTO latest VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (gateway, name) DO UPDATE SET rank = excluded.rank, "
    "sequence = excluded.sequence, at_ns = excluded.at_ns, "
    "received_at_ns = excluded.received_at_ns, "
    "exercise = excluded.exercise, value = excluded.value "
)
_BY_TIME = "WHERE coalesce(excluded.at_ns, 0) >= coalesce(latest.at_ns, 0)"


@contextmanager
def late_overwrites_newer() -> Iterator[None]:
    def write(self: SqliteSeries, rows: Any) -> None:
        self._db.executemany(_LATEST, rows)

    with replaced(SqliteSeries, "_write_latest", write):
        yield


@contextmanager
def clock_step_reorders() -> Iterator[None]:
    """What is newest is decided by the wall clock."""

    def write(self: SqliteSeries, rows: Any) -> None:
        self._db.executemany(_LATEST + _BY_TIME, rows)

    with replaced(SqliteSeries, "_write_latest", write):
        yield
