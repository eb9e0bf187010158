"""What a centre states, beside the certificate: assay, acceptance, what is left."""

from collections.abc import Sequence
from typing import TypeVar

from cloud.assays import Standing, compare
from cloud.paper_checks import Finding
from cloud.paper_words import both_times
from cloud.receiving import ACTIVITY_TELLS_NOTHING, judge_acceptance
from cloud.remains import remains
from cloud.surveys import Wiped
from cloud.windows import Centre
from schemas.contents import Contents
from schemas.facts import (
    Acceptance,
    Assay,
    CentreProfile,
    Certificate,
    Disposal,
    FactBody,
)
from schemas.transport import UNVERIFIED

T = TypeVar("T", bound=FactBody)


def at_the_centre(
    bodies: Sequence[FactBody],
    certificate: Certificate | None,
    profile: CentreProfile | None,
) -> Finding:
    """Return what the papers of a centre come to; the last of each kind holds."""
    found: list[Finding] = []
    contents = None if certificate is None else certificate.contents
    if (assay := _last(bodies, Assay)) is not None and contents is not None:
        found.append(_assayed(contents, assay, profile))
    if (acceptance := _last(bodies, Acceptance)) is not None:
        found.append(_accepted(acceptance, contents, profile))
    if (left := _last(bodies, Disposal)) is not None and contents is not None:
        found.append(_left(contents, left))
    return Finding(
        tuple(line for one in found for line in one.lines),
        tuple(remark for one in found for remark in one.remarks),
    )


def _last(bodies: Sequence[FactBody], kind: type[T]) -> T | None:
    found = [body for body in bodies if isinstance(body, kind)]
    return found[-1] if found else None


def _assayed(vial: Contents, assay: Assay, profile: CentreProfile | None) -> Finding:
    centre = Centre()
    if profile is not None:
        centre = Centre(
            call_ratio=profile.call_ratio,
            stop_ratio=profile.stop_ratio,
            is_assumed=False,
        )
    compared = compare(vial, assay, centre)
    if compared is None:
        return Finding((), ("the assay is years from the reference",))
    off, u = (
        100 * ratio for ratio in (compared.off_ratio, compared.off_expanded_u_ratio)
    )
    whose = " (assumed limits)" if centre.is_assumed else ""
    line = (
        f"assay: {off:+.1f} % \N{PLUS-MINUS SIGN} {u:.1f} % (k = 2) off what "
        f"certificate and decay say; {compared.standing}{whose}"
    )
    remarks = list(compared.remarks)
    if compared.is_significant:
        remarks.append(f"the assay is {off:+.1f} % off, more than {u:.1f} % (k = 2)")
    if compared.standing is not Standing.WITHIN:
        remarks.append(f"the assay is {off:+.1f} % off: {compared.standing}")
    return Finding((line,), tuple(remarks))


def _accepted(
    acceptance: Acceptance, contents: Contents | None, profile: CentreProfile | None
) -> Finding:
    # The author of a paper is not known before it is signed.
    judged = judge_acceptance(acceptance, contents, profile, "")
    lines = [_wiped_line(one) for one in judged.wiped]
    if judged.due_ns is not None:
        lines.append(f"monitoring due {both_times(judged.due_ns, 0)}")
    lines.append(ACTIVITY_TELLS_NOTHING)
    return Finding(tuple(lines), judged.remarks)


def _wiped_line(one: Wiped) -> str:
    word = "ABOVE" if one.is_above_limit else "below"
    return (
        f"wipe {one.wipe.place}: {float(one.bq_cm2):.3g} Bq/cm2, {word} the limit of "
        f"{one.limit.value} Bq/cm2{one.limit.mark}"
    )


def _left(contents: Contents, left: Disposal) -> Finding:
    found = remains(
        contents, left.activity_gbq, left.measured_at_ns, left.rules, left.mass_g
    )
    mark = "" if found.is_verified else f" ({UNVERIFIED})"
    rows = (
        ("may go in an excepted package, by its activity, from", found.excepted_at_ns),
        ("exempt by its activity from", found.exempt_at_ns),
        ("exempt by its concentration from", found.exempt_by_concentration_ns),
    )
    lines = tuple(
        f"what is left: {words} {both_times(at_ns, 0)}{mark}"
        for words, at_ns in rows
        if at_ns is not None
    )
    earliest = [
        at_ns
        for at_ns in (found.exempt_at_ns, found.exempt_by_concentration_ns)
        if at_ns is not None
    ]
    is_early = left.disposal == "exempt" and (
        not earliest or min(earliest) > left.measured_at_ns
    )
    remarks = ("disposed of as exempt, which it is not yet",) if is_early else ()
    return Finding(lines, remarks)
