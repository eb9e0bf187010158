"""Papers of a treatment centre: its profile, acceptance, assay, return, disposal."""

import re
from datetime import date
from decimal import Decimal
from typing import Final

from cloud.paper_sheet import Sheet
from cloud.zones import zone_of
from schemas.centre import (
    CentreProfile,
    ContainerReturn,
    Disposal,
    DisposalRoute,
    VialIdentity,
    Wipe,
)
from schemas.errors import UnknownWordError
from schemas.facts import Acceptance, Assay, CheckResult, Outcome
from schemas.transport import rule_set

_ANY: Final = Decimal(-1_000_000_000)
_AS_IS: Final = Decimal(1)
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_CLOCK: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)


def _zone(name: str) -> str:
    if zone_of(name) is None:
        raise UnknownWordError(f"unknown zone {name!r}; an IANA name: Europe/Berlin")
    return name


def profile(sheet: Sheet) -> CentreProfile:
    """Return a centre's own figures."""
    found = CentreProfile(
        centre=sheet.text("centre"),
        time_zone=sheet.known("time_zone", _zone)[0],
        rules=sheet.known("rules", rule_set)[0],
        preparation_s=float(sheet.number("preparation_min") * 60),
        survey_s=float(sheet.number("survey_min") * 60),
        opens_minutes=_clock(sheet, "opens"),
        closes_minutes=_clock(sheet, "closes"),
        working_days=tuple(map(_DAYS.index, sheet.words("working_days", _DAYS))),
        call_ratio=float(sheet.percent("call_percent")),
        stop_ratio=float(sheet.percent("stop_percent")),
        holidays=_dates(sheet),
        contact=sheet.text_if_any("contact"),
    )
    if sheet.is_good and found.closes_minutes <= found.opens_minutes:
        sheet.problem("closes", "is not after opens")
    if sheet.is_good and found.stop_ratio < found.call_ratio:
        sheet.problem("stop_percent", "is below call_percent")
    return found


def _clock(sheet: Sheet, key: str) -> int:
    match = _CLOCK.fullmatch(sheet.text(key))
    if match is None:
        sheet.problem(key, 'must be a time on the wall: write "07:30"')
        return 0
    return int(match[1]) * 60 + int(match[2])


def _dates(sheet: Sheet) -> tuple[str, ...]:
    found = []
    for text in sheet.texts_if_any("holidays"):
        try:
            found.append(date.fromisoformat(text).isoformat())
        except ValueError:
            sheet.problem("holidays", f"has {text!r}: write 2026-12-25")
    return tuple(found)


def acceptance(sheet: Sheet) -> Acceptance:
    """Return a centre's decision with its checklist."""
    found = Acceptance(
        shipment=sheet.text("shipment"),
        outcome=sheet.word("outcome", Outcome),
        checks=tuple(_check(one) for one in sheet.tables("checks")),
        remark=sheet.text_if_any("remark"),
        rules=sheet.known("rules", rule_set)[0] if sheet.has("rules") else None,
        received_at_ns=_at_if_any(sheet, "received_at"),
        surveyed_at_ns=_at_if_any(sheet, "surveyed_at"),
        identity=_identity(sheet.table_if_any("identity")),
        wipes=tuple(_wipe(one) for one in sheet.tables("wipes")),
    )
    failed = [check.name for check in found.checks if not check.passed]
    if sheet.is_good and failed and found.outcome is Outcome.ACCEPTED:
        sheet.remark(
            "outcome", f"is accepted, although not passed: {', '.join(failed)}"
        )
    return found


def _at_if_any(sheet: Sheet, key: str) -> int | None:
    found = sheet.instant_if_any(key)
    return None if found is None else found.at_ns


def _identity(sheet: Sheet | None) -> VialIdentity | None:
    if sheet is None:
        return None
    found = VialIdentity(
        vial=sheet.text("vial"),
        lot=sheet.text("lot"),
        calibrated_on_vial_ns=sheet.instant("calibrated_at").at_ns,
        expires_at_ns=sheet.instant("expires_at").at_ns,
        second_person=sheet.text("second_person"),
    )
    sheet.close()
    return found


def _wipe(sheet: Sheet) -> Wipe:
    percent = Decimal("0.01")
    found = Wipe(
        place=sheet.text("place"),
        gross_cpm=sheet.digits({"gross_cpm": _AS_IS}),
        background_cpm=sheet.digits({"background_cpm": _AS_IS}),
        efficiency=sheet.digits({"efficiency_percent": percent}),
        removal=sheet.digits({"removal_percent": percent}),
        area_cm2=sheet.digits({"area_cm2": _AS_IS}),
    )
    divisors = (found.efficiency, found.removal, found.area_cm2)
    if any(Decimal(one) == 0 for one in divisors):
        sheet.problem("efficiency, removal and area", "cannot be 0")
    sheet.close()
    return found


def _check(sheet: Sheet) -> CheckResult:
    value = sheet.number_if_any("value", least=_ANY)
    unit = sheet.text_if_any("unit")
    if (value is None) != (unit is None):
        sheet.problem("unit", 'and value go together; a plain number has unit = "1"')
    check = CheckResult(
        name=sheet.text("name"),
        passed=sheet.flag("passed"),
        value=None if value is None else float(value),
        unit=unit,
    )
    sheet.close()
    return check


def assay(sheet: Sheet) -> Assay:
    """Return what a centre measured."""
    activity_gbq = sheet.activity_gbq("activity")
    expanded_u = sheet.expanded_u_gbq("activity_expanded_u", activity_gbq)
    volume = sheet.number_if_any("volume_ml")
    return Assay(
        shipment=sheet.text("shipment"),
        vial=sheet.text("vial"),
        activity_gbq=float(activity_gbq),
        activity_expanded_u_gbq=float(expanded_u),
        coverage_factor=float(sheet.number("coverage_factor", least=Decimal(1))),
        measured_at_ns=sheet.instant("measured_at").at_ns,
        meter=sheet.text("meter"),
        nuclide_setting=sheet.text("nuclide_setting"),
        volume_ml=None if volume is None else float(volume),
        meter_factor=_float_if_any(sheet, "meter_factor"),
        background_gbq=_background_gbq(sheet),
        calibration_due_ns=_at_if_any(sheet, "calibration_due"),
    )


def _float_if_any(sheet: Sheet, key: str) -> float | None:
    found = sheet.number_if_any(key)
    return None if found is None else float(found)


def _background_gbq(sheet: Sheet) -> float | None:
    keys = ("background_gbq", "background_mbq")
    is_given = [sheet.has(key) for key in keys]
    return float(sheet.activity_gbq("background")) if any(is_given) else None


def container_return(sheet: Sheet) -> ContainerReturn:
    """Return what is stated of the empty container on its way back."""
    return ContainerReturn(
        shipment=sheet.text("shipment"),
        container=sheet.text("container"),
        seal=sheet.text("seal"),
        un_number=sheet.choice("un_number", ("UN2908",)) or "",
        labels_removed=sheet.flag("labels_removed"),
        rules=sheet.known("rules", rule_set)[0],
        destination=sheet.text("destination"),
        departs_at_ns=sheet.instant("departs_at").at_ns,
        wipes=tuple(_wipe(one) for one in sheet.tables("wipes")),
        carrier=sheet.text_if_any("carrier"),
        remark=sheet.text_if_any("remark"),
    )


def disposal(sheet: Sheet) -> Disposal:
    """Return what is left of a vial and where it goes."""
    return Disposal(
        shipment=sheet.text("shipment"),
        vial=sheet.text("vial"),
        activity_gbq=float(sheet.activity_gbq("activity")),
        measured_at_ns=sheet.instant("measured_at").at_ns,
        place=sheet.text("place"),
        disposal=sheet.word("disposal", DisposalRoute),
        rules=sheet.known("rules", rule_set)[0],
        mass_g=_float_if_any(sheet, "mass_g"),
        remark=sheet.text_if_any("remark"),
    )
