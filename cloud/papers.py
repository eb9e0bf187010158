"""Papers: what people state about a shipment, as files that need no programming.

A paper is a TOML file; ``paper`` says which of the facts of :mod:`schemas.facts` it
is. Rules:

- An instant is written with its zone; so the fact knows the zone of the people.
- An activity has its unit in the key (``activity_gbq`` or ``activity_mbq``), an
  expanded uncertainty also ``..._percent``, with its ``coverage_factor``.
- Product and nuclide are known ones, and the product is of that nuclide.
- ``document`` and ``container_model`` name files; their SHA-256 enters the fact.
- Unknown keys are refused, and all that is wrong with a file is said at once.
- Problems refuse a paper. Remarks do not: a person has to have seen them
  (:mod:`cloud.paper_checks` adds those that need the physics).

Handovers and acknowledgements are no papers: they are signed where they happen.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final, NamedTuple

from cloud.paper_sheet import PaperError, Sheet, open_sheet
from schemas.contents import (
    MAX_VIALS,
    Contents,
    Impurity,
    ProductionRoute,
    ReferenceKind,
    check_gateway_id,
)
from schemas.errors import MalformedError
from schemas.facts import (
    Acceptance,
    Assay,
    Certificate,
    CheckResult,
    Consignment,
    FactBody,
    Leg,
    LegMode,
    Order,
    Outcome,
    Reschedule,
)
from schemas.nuclides import nuclide
from schemas.products import Product, product
from schemas.units import NS_PER_S, S_PER_HOUR

_ANY: Final = Decimal(-1_000_000_000)


class Paper(NamedTuple):
    """A paper that can be signed, and what a person should look at first."""

    path: str
    body: FactBody
    remarks: tuple[str, ...]


def read_paper(text: bytes, path: str) -> FactBody:
    """Return the fact that a paper states.

    Args:
        text: the file's content.
        path: the file's name, for messages; files it names are sought beside it.

    Raises:
        PaperError: one line for each problem: file, key, remedy.
    """
    return open_paper(text, path).body


def open_paper(text: bytes, path: str) -> Paper:
    """Return the paper with the remarks that its own figures call for.

    Raises:
        PaperError: one line for each problem: file, key, remedy.
    """
    sheet = open_sheet(text, path)
    kind = sheet.choice("paper", KINDS)
    if kind is None:
        raise PaperError(f"{path}: {sheet.notes.problems[0]}")
    body = KINDS[kind](sheet)
    sheet.close()
    if sheet.notes.problems:
        raise PaperError("\n".join(f"{path}: {one}" for one in sheet.notes.problems))
    return Paper(path, body, tuple(sheet.notes.remarks))


def _order(sheet: Sheet) -> Order:
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
    )


def _certificate(sheet: Sheet) -> Certificate:
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
    reference = sheet.instant("reference_at")
    name, label = sheet.known("product", product)
    element, decaying = sheet.known("nuclide", nuclide)
    if label is not None and decaying is not None and label.nuclide != element:
        sheet.problem("nuclide", f"is {element}: {label.name} has {label.nuclide}")
    activity_gbq = sheet.activity_gbq("activity")
    expanded_u = sheet.expanded_u_gbq("activity_expanded_u", activity_gbq)
    separated = sheet.instant_if_any("separated_at")
    impurities = tuple(_impurity(one) for one in sheet.tables("impurities"))
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
    )
    _check_concentration(sheet, vial, label)
    _check_expiry(sheet, vial, label)
    sheet.close()
    return vial


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
    stated = sheet.concentration_gbq_per_ml()
    allowed = sheet.number_if_any("concentration_tolerance_percent")
    if not sheet.is_good:
        return
    if stated is not None:
        gbq_per_ml, whose = float(stated), "the stated concentration"
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
    """Refuse an expiry that the fact cannot carry and that would bind earlier."""
    expires = sheet.instant_if_any("expires_at")
    if expires is None or label is None or not sheet.is_good:
        return
    shelf_ns = round(label.shelf_life_h * S_PER_HOUR * NS_PER_S)
    end_ns = vial.reference_at_ns + shelf_ns
    if expires.at_ns <= vial.reference_at_ns:
        sheet.problem("expires_at", "is not after reference_at: one of them is wrong")
    elif expires.at_ns < end_ns:
        hours = (end_ns - expires.at_ns) / NS_PER_S / S_PER_HOUR
        sheet.problem(
            "expires_at",
            f"is {hours:.3g} h before the end of the shelf life, {label.shelf_life_h:g}"
            " h after reference_at: this version cannot follow an earlier expiry",
        )
    elif expires.at_ns > end_ns:
        sheet.remark(
            "expires_at",
            f"is later than the label's {label.shelf_life_h:g} h after reference_at: "
            "the label's shelf life is used",
        )


def _consignment(sheet: Sheet) -> Consignment:
    gateway = sheet.text("gateway")
    try:
        check_gateway_id(gateway or "not-given")
    except MalformedError as error:
        sheet.problem("gateway", f"cannot be taken: {error}")
    consignment = Consignment(
        shipment=sheet.text("shipment"),
        gateway=gateway,
        container=sheet.text("container"),
        container_digest=sheet.file_digest("container_model"),
        seal=sheet.text("seal"),
        legs=tuple(_leg(one) for one in sheet.tables("legs")),
    )
    if not consignment.legs:
        sheet.remark("legs", "are not given: no arrival will be expected")
    return consignment


def _leg(sheet: Sheet) -> Leg:
    leg = Leg(
        mode=sheet.word("mode", LegMode),
        origin=sheet.text("origin"),
        destination=sheet.text("destination"),
        departs_at_ns=sheet.instant("departs_at").at_ns,
        arrives_at_ns=sheet.instant("arrives_at").at_ns,
        carrier=sheet.text_if_any("carrier"),
    )
    if sheet.is_good and leg.arrives_at_ns < leg.departs_at_ns:
        sheet.problem("arrives_at", "is before departs_at: look at dates and zones")
    sheet.close()
    return leg


def _reschedule(sheet: Sheet) -> Reschedule:
    planned = sheet.instant("planned_at")
    return Reschedule(
        shipment=sheet.text("shipment"),
        planned_at_ns=planned.at_ns,
        offset_minutes=planned.offset_minutes,
        remark=sheet.text_if_any("remark"),
    )


def _acceptance(sheet: Sheet) -> Acceptance:
    acceptance = Acceptance(
        shipment=sheet.text("shipment"),
        outcome=sheet.word("outcome", Outcome),
        checks=tuple(_check(one) for one in sheet.tables("checks")),
        remark=sheet.text_if_any("remark"),
    )
    failed = [check.name for check in acceptance.checks if not check.passed]
    if sheet.is_good and failed and acceptance.outcome is Outcome.ACCEPTED:
        sheet.remark(
            "outcome", f"is accepted, although not passed: {', '.join(failed)}"
        )
    return acceptance


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


def _assay(sheet: Sheet) -> Assay:
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
    )


KINDS: Final[Mapping[str, Callable[[Sheet], FactBody]]] = MappingProxyType(
    {
        "order": _order,
        "certificate": _certificate,
        "consignment": _consignment,
        "reschedule": _reschedule,
        "acceptance": _acceptance,
        "assay": _assay,
    }
)
