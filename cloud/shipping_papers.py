"""Papers about a dose and its way: order to survey, and what a person decides."""

from decimal import Decimal
from typing import Final

from cloud.paper_sheet import Sheet
from schemas.contents import check_gateway_id
from schemas.errors import MalformedError
from schemas.facts import (
    Confirmation,
    Consignment,
    Decision,
    Leg,
    LegMode,
    Order,
    Reschedule,
    Survey,
)
from schemas.products import product
from schemas.shipping import Occasion, Subject
from schemas.transport import rule_set

_USV: Final = Decimal(1)
_MSV: Final = Decimal(1000)
_FACT_HEX: Final = 32


def order(sheet: Sheet) -> Order:
    """Return what an order states."""
    planned = sheet.instant("planned_at")
    return Order(
        shipment=sheet.text("shipment"),
        order=sheet.text("order"),
        product=sheet.known("product", product)[0],
        centre=sheet.text("centre"),
        planned_at_ns=planned.at_ns,
        offset_minutes=planned.offset_minutes,
        prescribed_activity_gbq=float(sheet.activity_gbq("prescribed_activity")),
        tolerance_ratio=float(sheet.percent("tolerance_percent")),
        needs_approval=sheet.has("needs_approval") and sheet.flag("needs_approval"),
        contact=sheet.text_if_any("contact"),
    )


def confirmation(sheet: Sheet) -> Confirmation:
    """Return what a confirmation states."""
    return Confirmation(
        shipment=sheet.text("shipment"),
        confirmed=sheet.flag("confirmed"),
        remark=sheet.text_if_any("remark"),
    )


def consignment(sheet: Sheet) -> Consignment:
    """Return how a vial is packed and which way it goes."""
    gateway = sheet.text("gateway")
    try:
        check_gateway_id(gateway or "not-given")
    except MalformedError as error:
        sheet.problem("gateway", f"cannot be taken: {error}")
    found = Consignment(
        shipment=sheet.text("shipment"),
        gateway=gateway,
        container=sheet.text("container"),
        container_digest=sheet.file_digest("container_model"),
        seal=sheet.text("seal"),
        legs=tuple(_leg(one) for one in sheet.tables("legs")),
    )
    if not found.legs:
        sheet.remark("legs", "are not given: no arrival will be expected")
    return found


def _leg(sheet: Sheet) -> Leg:
    leg = Leg(
        mode=sheet.word("mode", LegMode),
        origin=sheet.text("origin"),
        destination=sheet.text("destination"),
        departs_at_ns=sheet.instant("departs_at").at_ns,
        arrives_at_ns=sheet.instant("arrives_at").at_ns,
        carrier=sheet.text_if_any("carrier"),
        contact=sheet.text_if_any("contact"),
        air_waybill=sheet.text_if_any("air_waybill"),
        flight=sheet.text_if_any("flight"),
        cut_off_ns=_at_if_any(sheet, "cut_off_at"),
        arrives_u_s=_seconds_if_any(sheet, "arrives_u_min"),
        latitude_deg=_degrees_if_any(sheet, "latitude_deg", 90),
        longitude_deg=_degrees_if_any(sheet, "longitude_deg", 180),
    )
    if (leg.latitude_deg is None) != (leg.longitude_deg is None):
        sheet.problem("longitude_deg", "and latitude_deg go together: of destination")
    if sheet.is_good and leg.arrives_at_ns < leg.departs_at_ns:
        sheet.problem("arrives_at", "is before departs_at: look at dates and zones")
    sheet.close()
    return leg


def _at_if_any(sheet: Sheet, key: str) -> int | None:
    found = sheet.instant_if_any(key)
    return None if found is None else found.at_ns


def _seconds_if_any(sheet: Sheet, key: str) -> float | None:
    found = sheet.number_if_any(key)
    return None if found is None else float(found * 60)


def _degrees_if_any(sheet: Sheet, key: str, most: int) -> float | None:
    found = sheet.number_if_any(key, least=Decimal(-most))
    if found is not None and found > most:
        sheet.problem(key, f"is {found}: write -{most} to {most}")
    return None if found is None else float(found)


def reschedule(sheet: Sheet) -> Reschedule:
    """Return what a new plan states."""
    planned = sheet.instant("planned_at")
    return Reschedule(
        shipment=sheet.text("shipment"),
        planned_at_ns=planned.at_ns,
        offset_minutes=planned.offset_minutes,
        remark=sheet.text_if_any("remark"),
    )


def survey(sheet: Sheet) -> Survey:
    """Return what a survey states, in the instrument's own digits."""
    return Survey(
        shipment=sheet.text("shipment"),
        occasion=sheet.word("occasion", Occasion),
        surface_dose_rate_usv_h=sheet.digits(_rates("surface")),
        dose_rate_at_1_m_usv_h=sheet.digits(_rates("at_1_m")),
        rules=sheet.known("rules", rule_set)[0],
        instrument=sheet.text("instrument"),
        measured_at_ns=sheet.instant("measured_at").at_ns,
        calibration_due_ns=_at_if_any(sheet, "calibration_due"),
        label_transport_index=(
            sheet.digits({"label_transport_index": _USV})
            if sheet.has("label_transport_index")
            else None
        ),
        label_category=sheet.text_if_any("label_category"),
        label_activity_gbq=_label_gbq(sheet),
        remark=sheet.text_if_any("remark"),
    )


def _rates(stem: str) -> dict[str, Decimal]:
    return {f"{stem}_usv_h": _USV, f"{stem}_msv_h": _MSV}


def _label_gbq(sheet: Sheet) -> float | None:
    keys = ("label_activity_gbq", "label_activity_mbq")
    is_given = [sheet.has(key) for key in keys]
    return float(sheet.activity_gbq("label_activity")) if any(is_given) else None


def decision(sheet: Sheet) -> Decision:
    """Return what a person decides about a held certificate or a container's gain."""
    ratio = sheet.number_if_any("gain_ratio")
    ratio_u = sheet.number_if_any("gain_ratio_u")
    previous = sheet.number_if_any("previous_gain_ratio")
    found = Decision(
        shipment=sheet.text("shipment"),
        about=sheet.word("about", Subject),
        of_fact=_fact_id(sheet),
        released=sheet.flag("released"),
        remark=sheet.text("remark"),
        container=sheet.text_if_any("container"),
        gain_ratio=None if ratio is None else float(ratio),
        gain_ratio_u=None if ratio_u is None else float(ratio_u),
        previous_gain_ratio=None if previous is None else float(previous),
        due_at_ns=_at_if_any(sheet, "due_at"),
    )
    if found.about is Subject.CONTAINER_GAIN:
        _check_gain(sheet, found)
    return found


def _check_gain(sheet: Sheet, found: Decision) -> None:
    needed = (found.container, found.gain_ratio, found.gain_ratio_u)
    if None in needed:
        sheet.problem("container, gain_ratio, gain_ratio_u", "belong to a gain")
    if found.released and None in (found.previous_gain_ratio, found.due_at_ns):
        sheet.problem("previous_gain_ratio, due_at", "belong to a released gain")


def _fact_id(sheet: Sheet) -> bytes:
    text = sheet.text("of_fact")
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != _FACT_HEX // 2:
        sheet.problem("of_fact", f"must be the fact's id: {_FACT_HEX} of 0-9 and a-f")
    return found
