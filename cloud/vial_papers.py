"""The certificate of a vial as a paper.

A certificate that states no zone gets one from a person, who picks the site and its
offset then; that it was picked stays in the fact, and is a remark.
"""

from decimal import Decimal
from typing import Final

from cloud.paper_instants import NO_INSTANT, Instant
from cloud.paper_sheet import Sheet
from schemas.contents import (
    MAX_VIALS,
    Contents,
    Impurity,
    ProductionRoute,
    ReferenceKind,
)
from schemas.facts import Certificate
from schemas.nuclides import nuclide
from schemas.products import Product, product
from schemas.units import NS_PER_S, S_PER_HOUR

_ZONE: Final = "zone_offset"


def certificate(sheet: Sheet) -> Certificate:
    """Return what a certificate states; exactly one vial."""
    shipment = sheet.text("shipment")
    vials = [vial.renamed("") for vial in sheet.tables("vials")]
    if len(vials) == MAX_VIALS:
        return Certificate(shipment, _vial(vials[0]))
    got = ", ".join(vial.text("vial") or "one without a name" for vial in vials)
    text = "a container carries exactly one vial in this version, got"
    sheet.problem(
        "vials:", f"{text} {got or 'none: write [[vials]] above its figures'}"
    )
    return Certificate(shipment, _vial(sheet.nothing()))


def _vial(sheet: Sheet) -> Contents:
    zone_site = sheet.text_if_any("zone_site")
    reference = _reference(sheet, zone_site)
    name, label = sheet.known("product", product)
    element, decaying = sheet.known("nuclide", nuclide)
    if label is not None and decaying is not None and label.nuclide != element:
        sheet.problem("nuclide", f"is {element}: {label.name} has {label.nuclide}")
    activity_gbq = sheet.activity_gbq("activity")
    expanded_u = sheet.expanded_u_gbq("activity_expanded_u", activity_gbq)
    separated = sheet.instant_if_any("separated_at")
    impurities = tuple(_impurity(one) for one in sheet.tables("impurities"))
    concentration = sheet.concentration_gbq_per_ml()
    expires = sheet.instant_if_any("expires_at")
    vial = Contents(
        vial=sheet.text("vial"),
        product=name,
        nuclide=element,
        activity_gbq=float(activity_gbq),
        activity_expanded_u_gbq=float(expanded_u),
        coverage_factor=float(sheet.number("coverage_factor", least=Decimal(1))),
        reference_at_ns=reference.at_ns,
        reference_kind=sheet.word("reference_kind", ReferenceKind),
        offset_minutes=reference.offset_minutes,
        volume_ml=float(sheet.number("volume_ml")),
        production_route=sheet.word("production_route", ProductionRoute),
        standard=sheet.text("standard"),
        impurities=impurities,
        separated_at_ns=None if separated is None else separated.at_ns,
        document=sheet.file_digest("document") if sheet.has("document") else None,
        concentration_gbq_per_ml=None
        if concentration is None
        else float(concentration),
        lot=sheet.text_if_any("lot"),
        expires_at_ns=None if expires is None else expires.at_ns,
        zone_site=zone_site,
    )
    _check_concentration(sheet, vial, label)
    _check_expiry(sheet, vial, label)
    sheet.close()
    return vial


def _reference(sheet: Sheet, zone_site: str | None) -> Instant:
    """Return the reference instant, in the zone it states or the one picked."""
    is_picked = sheet.has(_ZONE)
    if is_picked != (zone_site is not None):
        sheet.problem(
            f"zone_site and {_ZONE}",
            "go together: a certificate without a zone has both",
        )
        return NO_INSTANT
    if not is_picked:
        return sheet.instant("reference_at")
    picked = sheet.instant_in("reference_at", _ZONE)
    sheet.remark(
        "reference_at",
        f"has no zone on the certificate: that of {zone_site} was picked; compare "
        "local time and UTC below with the certificate",
    )
    return picked


def _impurity(sheet: Sheet) -> Impurity:
    impurity = Impurity(
        nuclide=sheet.known("nuclide", nuclide)[0],
        activity_ratio=float(sheet.percent("activity_percent")),
        activity_ratio_u=float(sheet.percent("activity_u_percent")),
    )
    sheet.close()
    return impurity


def _check_concentration(sheet: Sheet, vial: Contents, label: Product | None) -> None:
    """Compare the activity with concentration times volume, stated or the label's."""
    stated = vial.concentration_gbq_per_ml
    allowed = sheet.number_if_any("concentration_tolerance_percent")
    if not sheet.is_good:
        return
    if stated is not None:
        gbq_per_ml, whose = stated, "the stated concentration"
    elif (
        label is not None
        and label.concentration_gbq_per_ml is not None
        and vial.reference_kind is ReferenceKind.CALIBRATION
    ):
        gbq_per_ml, whose = label.concentration_gbq_per_ml, "the label's concentration"
    else:
        return
    u_percent = 100 * vial.activity_expanded_u_gbq / vial.activity_gbq
    most_percent = u_percent if allowed is None else float(allowed)
    computed_gbq = gbq_per_ml * vial.volume_ml
    off_percent = 100 * (vial.activity_gbq / computed_gbq - 1)
    if abs(off_percent) > most_percent + 1e-9:
        sheet.remark(
            "volume_ml",
            f"times {whose} is {computed_gbq:.4g} GBq: the activity is "
            f"{off_percent:+.1f} % off, more than {most_percent:.3g} %; look at "
            "activity, volume and concentration",
        )


def _check_expiry(sheet: Sheet, vial: Contents, label: Product | None) -> None:
    """Say which of the printed expiry and the label's shelf life is used."""
    expires_ns = vial.expires_at_ns
    if expires_ns is None or label is None or not sheet.is_good:
        return
    end_ns = vial.reference_at_ns + round(label.shelf_life_h * S_PER_HOUR * NS_PER_S)
    hours = abs(end_ns - expires_ns) / NS_PER_S / S_PER_HOUR
    if expires_ns <= vial.reference_at_ns:
        sheet.problem("expires_at", "is not after reference_at: one of them is wrong")
    elif expires_ns < end_ns:
        sheet.remark(
            "expires_at",
            f"is {hours:.3g} h before the end of the shelf life, "
            f"{label.shelf_life_h:g} h after reference_at: the earlier one is used",
        )
    elif expires_ns > end_ns:
        sheet.remark(
            "expires_at",
            f"is later than the label's {label.shelf_life_h:g} h after reference_at: "
            "the label's shelf life is used",
        )
