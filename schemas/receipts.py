"""Receipts: the cloud's signed word that records are in its ledger for good.

Only a receipt lets a gateway delete, and only if its digest is that of the
gateway's own record at ``contiguous``. A broker's PUBACK means nothing.
"""

from typing import Final

import msgspec

from schemas import wire
from schemas.contents import check_gateway_id
from schemas.envelope import Purpose, external_aad, seal
from schemas.errors import MalformedError
from schemas.keys import Signer
from schemas.records import Digest, Epoch, Unsigned

VERSION: Final = 1
KIND: Final = "receipt"
MAX_RANGES: Final = 16


class Receipt(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the ledger holds of one epoch of one gateway.

    All sequences up to ``contiguous`` are held; ``digest`` is that of the sealed
    record there. Both are absent while sequence 0 has not come. ``ranges`` are the
    (from, to) ranges held above, ends included, at most 16, lowest first.
    """

    version: Unsigned
    kind: str
    gateway: str
    epoch: Epoch
    at_ns: int
    contiguous: Unsigned | None = None
    digest: Digest | None = None
    ranges: tuple[tuple[int, int], ...] = ()


def receipt_aad(version: int, gateway: str) -> bytes:
    """Return the external data of a receipt's seal."""
    return external_aad(Purpose.RECEIPT, version, gateway)


def seal_receipt(receipt: Receipt, signer: Signer) -> bytes:
    """Return the sealed receipt.

    Raises:
        MalformedError: a watermark without its digest, or ranges that do not ascend.
    """
    _check(receipt)
    aad = receipt_aad(receipt.version, receipt.gateway)
    return seal(wire.to_payload(receipt), signer, aad)


def read_receipt(payload: bytes) -> Receipt:
    """Read a receipt's payload.

    Raises:
        MalformedError: not deterministic CBOR, or a broken field.
    """
    receipt = wire.from_named(wire.read_payload(payload), Receipt)
    _check(receipt)
    return receipt


def _check(receipt: Receipt) -> None:
    check_gateway_id(receipt.gateway)
    if receipt.kind != KIND:
        raise MalformedError(f"{receipt.kind!r} is no receipt")
    if (receipt.contiguous is None) != (receipt.digest is None):
        raise MalformedError("a receipt has a watermark and its digest, or neither")
    if len(receipt.ranges) > MAX_RANGES:
        raise MalformedError(f"more than {MAX_RANGES} ranges in a receipt")
    last = -1 if receipt.contiguous is None else receipt.contiguous
    for low, high in receipt.ranges:
        # The sequence right above the watermark or a range would belong to it.
        if low < last + 2 or high < low:
            raise MalformedError(f"range {low} to {high} is not above {last + 1}")
        last = high
