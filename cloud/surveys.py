"""Surveys and wipes judged by a rule set, in decimals.

The transport index and the category follow from what was measured; what the label says
is compared with them and never taken over. A wipe's activity per area is

    (gross - background) / (60 * efficiency * removal * area)   in Bq/cm2,

and times 6,000 in dpm/100 cm2. A wipe below its background is 0, not negative.

Source: SSR-6 (Rev. 1) 508, 523 and table 8; ISO 7503; DOMAIN sections 2.3, 2.5 and 7.1.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from schemas.centre import Wipe
from schemas.shipping import Survey
from schemas.transport import (
    Category,
    Limit,
    category,
    is_higher,
    rule_set,
    transport_index,
)

MSV_PER_USV: Final = Decimal("0.001")
DPM_100_CM2_PER_BQ_CM2: Final = 6000
_PER_MINUTE: Final = 60


@dataclass(frozen=True, slots=True)
class Surveyed:
    """What a survey comes to; ``remarks`` are for a person, worst first."""

    survey: Survey
    transport_index: Decimal
    category: Category
    surface_limit: Limit
    transport_index_limit: Limit
    is_above_limits: bool
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wiped:
    """What a wipe comes to, beside its limit."""

    wipe: Wipe
    bq_cm2: Decimal
    dpm_100_cm2: Decimal
    limit: Limit
    is_above_limit: bool


def judge_survey(survey: Survey) -> Surveyed:
    """Return transport index, category and what does not fit.

    Raises:
        UnknownWordError: the survey names an unknown rule set.
    """
    limits = rule_set(survey.rules).limits
    surface = Decimal(survey.surface_dose_rate_usv_h) * MSV_PER_USV
    index = transport_index(Decimal(survey.dose_rate_at_1_m_usv_h) * MSV_PER_USV)
    found = category(index, surface, survey.rules)
    is_above = surface > limits.package_surface_msv_h.value or (
        index > limits.package_transport_index.value
    )
    remarks = (
        *_above(is_above=is_above, surface=surface, index=index),
        *_against_label(survey, index, found),
        *_instrument(survey),
    )
    return Surveyed(
        survey,
        index,
        found,
        limits.package_surface_msv_h,
        limits.package_transport_index,
        is_above,
        remarks,
    )


def _above(*, is_above: bool, surface: Decimal, index: Decimal) -> tuple[str, ...]:
    if not is_above:
        return ()
    return (
        f"surface {surface.normalize():f} mSv/h, transport index {index}: above the "
        "limits for a package; notify the carrier and the authority at once",
    )


def _against_label(survey: Survey, index: Decimal, found: Category) -> tuple[str, ...]:
    remarks = []
    stated = survey.label_transport_index
    if stated is not None and index > Decimal(stated):
        remarks.append(f"transport index {index} measured, the label says {stated}")
    label = survey.label_category
    if label is None:
        return tuple(remarks)
    if label not in list(Category):
        remarks.append(f"the label's category {label!r} is none")
    elif is_higher(found, Category(label)):
        remarks.append(f"category {found} measured, the label says {label}")
    elif is_higher(Category(label), found):
        remarks.append(f"the label says {label}, {found} would do")
    return tuple(remarks)


def _instrument(survey: Survey) -> tuple[str, ...]:
    due_ns = survey.calibration_due_ns
    if due_ns is None or due_ns >= survey.measured_at_ns:
        return ()
    return (f"the calibration of {survey.instrument} had expired",)


def judge_wipe(wipe: Wipe, nuclide: str, rules: str) -> Wiped | None:
    """Return a wipe's activity per area; None where it cannot be computed.

    Raises:
        UnknownWordError: there is no such rule set.
    """
    efficiency, removal = Decimal(wipe.efficiency), Decimal(wipe.removal)
    area = Decimal(wipe.area_cm2)
    scale = _PER_MINUTE * efficiency * removal * area
    if scale == 0:
        return None
    net = max(Decimal(0), Decimal(wipe.gross_cpm) - Decimal(wipe.background_cpm))
    bq_cm2 = net / scale
    limit = rule_set(rules).contamination(nuclide)
    return Wiped(
        wipe,
        bq_cm2,
        bq_cm2 * DPM_100_CM2_PER_BQ_CM2,
        limit,
        bq_cm2 > limit.value,
    )
