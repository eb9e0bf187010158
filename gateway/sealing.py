"""Statements to sealed records: the place in the chain, the time, the signature."""

from typing import Final

from gateway.outbox import Outbox, Priority
from gateway.ports import Clock
from gateway.timekeeping import Timekeeper
from schemas.keys import Signer
from schemas.records import KINDS, VERSION, Body, Gap, Header, seal_record

# Kinds that must survive a full disk: they are never dropped.
KEPT_KINDS: Final = frozenset(
    {"birth", "assigned", "released", "fingerprint", "clock", "gap"}
)


class Sealer:
    """Gives each body its header, seals it and adds it to the outbox."""

    def __init__(
        self,
        gateway: str,
        outbox: Outbox,
        signer: Signer,
        clock: Clock,
        timekeeper: Timekeeper,
    ) -> None:
        self._gateway = gateway
        self._outbox = outbox
        self._signer = signer
        self._clock = clock
        self._timekeeper = timekeeper

    def state(self, body: Body, *, is_alarm: bool = False) -> int:
        """Seal a body and add it to the outbox; return its sequence.

        The record counts as stated only after the outbox has committed it.

        Raises:
            MalformedError: the body has no form on the wire; this is a bug.
        """
        outbox = self._outbox
        boot_ns = self._clock.boot_ns()
        kind = KINDS[type(body)]
        header = Header(
            version=VERSION,
            gateway=self._gateway,
            epoch=outbox.epoch,
            sequence=outbox.next_sequence,
            kind=kind,
            previous=outbox.head_digest,
            boot_id=self._clock.boot_id(),
            boot_ns=boot_ns,
            time_source=self._timekeeper.source,
            exercise=self._clock.exercise,
            utc_ns=self._timekeeper.utc_ns(boot_ns),
            time_u_ns=self._timekeeper.u_ns(boot_ns),
        )
        is_kept = is_alarm or kind in KEPT_KINDS
        priority = Priority.ALARM if is_kept else Priority.BULK
        outbox.add(seal_record(header, body, self._signer), header.sequence, priority)
        return header.sequence

    def state_gaps(self) -> bool:
        """State the ranges that the outbox dropped or found damaged; say if any."""
        gaps = self._outbox.take_gaps()
        for dropped in gaps:
            body = Gap(
                from_sequence=dropped.from_sequence,
                to_sequence=dropped.to_sequence,
                reason=dropped.reason,
                digest=dropped.digest,
                epoch=dropped.epoch,
            )
            self.state(body, is_alarm=True)
        return bool(gaps)
