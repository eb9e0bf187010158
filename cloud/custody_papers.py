"""Papers about the way: a handover entered from paper, a new course, a correction."""

from typing import Final

from cloud.paper_sheet import Sheet
from schemas.custody import (
    Correction,
    CorrectionReason,
    Course,
    Diversion,
    Handover,
    HandoverManner,
    HandoverRole,
)

_ID_BYTES: Final = 16


def handover(sheet: Sheet) -> Handover:
    """Return one side's word on a handover; both name the same ``handover``."""
    happened = sheet.instant_if_any("happened_at")
    return Handover(
        shipment=sheet.text("shipment"),
        handover=_id(sheet, "handover"),
        role=sheet.word("role", HandoverRole),
        giver=sheet.text("giver"),
        receiver=sheet.text("receiver"),
        place=sheet.text("place"),
        condition=sheet.text("condition"),
        seal=sheet.text("seal"),
        seal_intact=sheet.flag("seal_intact"),
        remark=sheet.text_if_any("remark"),
        manner=sheet.word("manner", HandoverManner),
        happened_at_ns=None if happened is None else happened.at_ns,
        offset_minutes=None if happened is None else happened.offset_minutes,
        signer=sheet.text_if_any("signer"),
        air_waybill=sheet.text_if_any("air_waybill"),
        procedure=sheet.text_if_any("procedure"),
        lock=sheet.text_if_any("lock"),
        photo=sheet.file_digest("photo") if sheet.has("photo") else None,
        document=sheet.file_digest("document") if sheet.has("document") else None,
    )


def diversion(sheet: Sheet) -> Diversion:
    """Return where a shipment is bound from now on."""
    happened = sheet.instant_if_any("happened_at")
    return Diversion(
        shipment=sheet.text("shipment"),
        course=sheet.word("course", Course),
        destination=sheet.text("destination"),
        remark=sheet.text("remark"),
        happened_at_ns=None if happened is None else happened.at_ns,
    )


def correction(sheet: Sheet) -> Correction:
    """Return which fact does not hold, and why."""
    return Correction(
        shipment=sheet.text("shipment"),
        of_fact=_id(sheet, "of_fact"),
        reason=sheet.word("reason", CorrectionReason),
        remark=sheet.text("remark"),
        corrective=_id(sheet, "corrective") if sheet.has("corrective") else None,
    )


def _id(sheet: Sheet, key: str) -> bytes:
    text = sheet.text(key)
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != _ID_BYTES:
        sheet.problem(key, f"must be an id: {2 * _ID_BYTES} of 0-9 and a-f")
    return found
