"""The centre's assay: compared with certificate and decay at one instant.

An assay off by more than the centre's call limit is to be reported, by more than its
stop limit the dose waits for a person. Activity cannot tell two vials of one plan
apart, and an assay is no identification.

Where package detectors saw the vial, an assay also proposes a new gain for their
container: they saw ``ratio`` of what the certificate leads them to expect, so seen per
becquerel is ``ratio * certified / measured`` of what the model has. The proposal is a
figure with its uncertainty; a named person releases it, or nobody does.

Source: GUM 5.1.2; 10 CFR 35.63 for what a dosage determination is.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from cloud.windows import (
    COVERAGE_FACTOR,
    Activity,
    Centre,
    activity_at,
    expanded_ratio,
    is_in_reach,
)
from schemas.contents import MOST_GAIN_U_RATIO, Contents
from schemas.estimates import Witness
from schemas.facts import Assay


class Standing(StrEnum):
    """What an assay's deviation asks for."""

    WITHIN = "within the centre's limits"
    CALL = "call the producer: beyond the call limit"
    STOP = "stop: beyond the stop limit, a person decides"


@dataclass(frozen=True, slots=True)
class Comparison:
    """An assay beside certificate and decay at its own instant; ratios, k = 2."""

    assay: Assay
    due: Activity
    off_ratio: float
    off_expanded_u_ratio: float
    standing: Standing
    remarks: tuple[str, ...]

    @property
    def is_significant(self) -> bool:
        """True where the two differ by more than both uncertainties explain."""
        return abs(self.off_ratio) > self.off_expanded_u_ratio


@dataclass(frozen=True, slots=True)
class GainProposal:
    """What the container's gain would be, as a ratio to the one in use; k = 1."""

    gain_ratio: float
    gain_ratio_u: float


def compare(contents: Contents, assay: Assay, centre: Centre) -> Comparison | None:
    """Return the comparison; None where the instants are years apart.

    Raises:
        UnknownWordError: the table has no such nuclide.
    """
    if not is_in_reach(contents, assay.measured_at_ns):
        return None
    due = activity_at(contents, assay.measured_at_ns, assay.activity_gbq)
    off_ratio = assay.activity_gbq / due.activity_gbq - 1
    u_ratio = math.hypot(
        expanded_ratio(contents, assay.measured_at_ns), assay_expanded_ratio(assay)
    )
    return Comparison(
        assay,
        due,
        off_ratio,
        u_ratio * (1 + off_ratio),
        standing(off_ratio, centre),
        _remarks(contents, assay),
    )


def assay_expanded_ratio(assay: Assay) -> float:
    """Return the assay's own U (k = 2) over its activity."""
    u_gbq = assay.activity_expanded_u_gbq / assay.coverage_factor
    return COVERAGE_FACTOR * u_gbq / assay.activity_gbq


def standing(off_ratio: float, centre: Centre) -> Standing:
    """Return what a deviation asks for, by the centre's limits."""
    if abs(off_ratio) > centre.stop_ratio:
        return Standing.STOP
    return Standing.CALL if abs(off_ratio) > centre.call_ratio else Standing.WITHIN


def _remarks(contents: Contents, assay: Assay) -> tuple[str, ...]:
    due_ns, at_ns = assay.calibration_due_ns, assay.measured_at_ns
    judged = (
        (
            assay.vial != contents.vial,
            f"measured was vial {assay.vial}, certified is {contents.vial}",
        ),
        (
            contents.nuclide.lower() not in assay.nuclide_setting.lower(),
            f"the meter was set to {assay.nuclide_setting!r}, not to "
            f"{contents.nuclide}",
        ),
        (
            due_ns is not None and due_ns < at_ns,
            f"the calibration of {assay.meter} had expired",
        ),
        (at_ns < contents.reference_at_ns, "measured before the reference instant"),
    )
    return tuple(text for holds, text in judged if holds)


def propose_gain(compared: Comparison, witness: Witness | None) -> GainProposal | None:
    """Return the gain that an assay proposes; None where it is worth no proposal.

    The detectors must have seen the vial, to 10 % with the assay's own part, and the
    assay must have no remark.
    """
    if witness is None or witness.ratio is None or witness.ratio_u is None:
        return None
    if compared.remarks or witness.ratio <= 0:
        return None
    gain_ratio = witness.ratio / (1 + compared.off_ratio)
    assay_u_ratio = assay_expanded_ratio(compared.assay) / COVERAGE_FACTOR
    # The certificate is in both and cancels; the gain in use is what is replaced.
    seen_u = witness.ratio_u if witness.counted_u is None else witness.counted_u
    u_ratio = math.hypot(seen_u / witness.ratio, assay_u_ratio)
    if u_ratio > MOST_GAIN_U_RATIO:
        return None
    return GainProposal(gain_ratio, gain_ratio * u_ratio)
