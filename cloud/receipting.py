"""Receipts and requests: what the cloud answers to what a gateway sent.

A receipt follows every change of what the ledger holds, and every duplicate, at
most one per epoch in an interval and always one after the last change. A gap that
stands still while records above it are held is asked for again, with growing
patience: while a backlog drains its lower edge moves, and nothing is asked.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from cloud.ports import Chain, Clock, Ledger, Watermark
from schemas.keys import Signer
from schemas.receipts import KIND, MAX_RANGES, VERSION, Receipt, seal_receipt
from schemas.topics import Lane, topic

_PATIENCE_MAX_S: Final = 600.0
# A gap that nothing has closed for so long is for people.
STANDS_AFTER_S: Final = 600.0

_log: Final = logging.getLogger(__name__)

Publish = Callable[[str, bytes], bool]


def make_receipt(
    chain: Chain, watermark: Watermark, now_ns: int, signer: Signer
) -> bytes:
    """Return the sealed receipt for what is held of an epoch."""
    receipt = Receipt(
        version=VERSION,
        kind=KIND,
        gateway=chain.gateway,
        epoch=chain.epoch,
        at_ns=now_ns,
        contiguous=watermark.contiguous,
        digest=watermark.digest,
        ranges=watermark.ranges[:MAX_RANGES],
    )
    return seal_receipt(receipt, signer)


class ReceiptDesk:
    """Sends receipts for the epochs that were noted, not too often."""

    def __init__(
        self, ledger: Ledger, clock: Clock, signer: Signer, publish: Publish
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._signer = signer
        self._publish = publish
        self._owed: set[Chain] = set()
        self._sent_at_s: dict[Chain, float] = {}

    @property
    def owed(self) -> frozenset[Chain]:
        """Epochs whose gateways wait for a receipt."""
        return frozenset(self._owed)

    def note(self, chain: Chain) -> None:
        """Owe a receipt for an epoch."""
        self._owed.add(chain)

    def send(self, now_s: float, interval_s: float) -> dict[Chain, Watermark]:
        """Send the receipts that are due; return what they say.

        Raises:
            LedgerError: try again later; nothing that is owed is forgotten.
        """
        said = {}
        for chain in sorted(self._owed):
            if now_s - self._sent_at_s.get(chain, -interval_s) < interval_s:
                continue
            watermark = self._ledger.watermark(*chain)
            now_ns = self._clock.utc_ns()
            sealed = make_receipt(chain, watermark, now_ns, self._signer)
            if not self._publish(topic(chain.gateway, Lane.RECEIPT), sealed):
                break
            self._owed.discard(chain)
            self._sent_at_s[chain] = now_s
            said[chain] = watermark
        return said


@dataclass(slots=True)
class _OpenGap:
    """A gap below records that are held."""

    first: int
    last: int
    ask_at_s: float
    patience_s: float
    since_s: float


class StandingGap(NamedTuple):
    """The lowest gap of an epoch, ends included; it stands if it does not move."""

    first: int
    last: int
    is_standing: bool


class GapWatch:
    """Notices gaps that stand still, from the watermarks it is shown."""

    def __init__(self, after_s: float) -> None:
        self._after_s = after_s
        self._gaps: dict[Chain, _OpenGap] = {}

    def observe(self, chain: Chain, watermark: Watermark, now_s: float) -> None:
        """Look at what is held of an epoch now."""
        gap = self._gaps.get(chain)
        if not watermark.ranges:
            if self._gaps.pop(chain, None) is not None:
                _log.info("gap=closed gateway=%s", chain.gateway)
            return
        first = 0 if watermark.contiguous is None else watermark.contiguous + 1
        last = watermark.ranges[0][0] - 1
        if gap is None:
            _log.info("gap=open gateway=%s from=%d to=%d", chain.gateway, first, last)
        if gap is None or gap.first != first:
            ask_at_s = now_s + self._after_s
            self._gaps[chain] = _OpenGap(first, last, ask_at_s, self._after_s, now_s)
        else:
            gap.last = last

    def standing(self, now_s: float) -> dict[Chain, StandingGap]:
        """Return the gaps that are open, and whether they stand."""
        return {
            chain: StandingGap(
                gap.first, gap.last, now_s - gap.since_s >= STANDS_AFTER_S
            )
            for chain, gap in self._gaps.items()
        }

    def due(self, now_s: float) -> list[tuple[Chain, int, int]]:
        """Return (epoch, first, last) of the gaps to ask for now."""
        found = []
        for chain, gap in self._gaps.items():
            if gap.ask_at_s <= now_s:
                gap.patience_s = min(2 * gap.patience_s, _PATIENCE_MAX_S)
                gap.ask_at_s = now_s + gap.patience_s
                found.append((chain, gap.first, gap.last))
        return found
