"""A recomputation for people, and as JSON; plain text, 80 columns."""

import math
import textwrap
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from gateway.estimator.activity import certificate_estimate
from gateway.recompute import FINGERPRINT, KINDS, Recomputation
from schemas.contents import Contents
from schemas.estimates import (
    CERTIFICATE_METHOD,
    Estimate,
    HalfLifeCheck,
    Remaining,
    Witness,
    projected,
)
from schemas.records import Fingerprint, Report
from schemas.units import MBQ_PER_GBQ, S_PER_DAY, S_PER_HOUR, instant_text

COVERAGE_FACTOR: Final = 2.0
_PLUS_MINUS: Final = "\N{PLUS-MINUS SIGN}"
_IN_MBQ: Final = ("Ra-", "Ac-", "Pb-")  # labels of these are in MBq
_WIDTH: Final = 20
_ROOM: Final = 80 - _WIDTH
# A smaller share of an uncertainty changes no digit that is shown.
_SHOWN_FROM: Final = 1e-4


def lines(found: Recomputation, container: str, at_ns: int | None) -> Iterator[str]:
    """Yield the report of a recomputation, line by line.

    Args:
        found: what came of the export.
        container: the container's name and version.
        at_ns: an instant for which the activity is wanted too, ns UTC.
    """
    yield from _head(found, container)
    yield ""
    yield from _counts(found)
    if found.last is not None:
        yield ""
        yield from _last(found.last, found.contents)
    if found.fingerprint is not None and found.fingerprint.result is not None:
        yield _line("fingerprint", _fingerprint(found.fingerprint))
    if at_ns is not None:
        yield ""
        yield f"at {instant_text(at_ns)}"
        nuclides = {vial.vial: vial.nuclide for vial in found.contents}
        for estimate in _at(found, at_ns):
            yield _line(_name(estimate), _estimate(estimate, nuclides[estimate.vial]))
    yield ""
    yield from _verdict(found)


def _head(found: Recomputation, container: str) -> Iterator[str]:
    seals = "seals checked" if found.is_checked else "seals not checked: no --keys"
    yield _line("gateway", ", ".join(found.gateways))
    yield _line("container", container)
    if found.shipments:
        yield _line("shipment", ", ".join(found.shipments))
    for vial in found.contents:
        yield _line("vial", f"{vial.vial}, {vial.product}, {vial.nuclide}")
    missing = f", {found.missing:,} missing" if found.missing else ""
    yield _line("records", f"{found.records:,}{missing}; {seals}")


def _counts(found: Recomputation) -> Iterator[str]:
    kinds = [kind for kind in (*KINDS, FINGERPRINT) if _total(found, kind)]
    if not kinds:
        yield "no estimate in these records: no shipment was followed, or no UTC known"
        return
    yield f"{'':{_WIDTH}}{'stated':>9}{'the same':>10}{'different':>11}{'unjudged':>10}"
    for kind in kinds:
        same, other = found.same[kind], found.different[kind]
        unjudged = found.unjudged[kind]
        total = _total(found, kind)
        yield f"{kind:{_WIDTH}}{total:>9,}{same:>10,}{other:>11,}{unjudged:>10,}"


def _total(found: Recomputation, kind: str) -> int:
    return found.same[kind] + found.different[kind] + found.unjudged[kind]


def _at(found: Recomputation, at_ns: int) -> Iterator[Estimate]:
    """Yield the activity at an instant: by certificate, and fused where it is."""
    for vial in found.contents:
        yield certificate_estimate(vial, at_ns, 0)
    for known in () if found.last is None else found.last.estimates:
        if known.method != CERTIFICATE_METHOD:
            value, u = projected(known, at_ns)
            yield msgspec.structs.replace(
                known, at_ns=at_ns, activity_gbq=value, activity_u_gbq=u
            )


def _name(estimate: Estimate) -> str:
    is_certificate = estimate.method == CERTIFICATE_METHOD
    return "certificate, decay" if is_certificate else "fused with counts"


def _last(report: Report, contents: tuple[Contents, ...]) -> Iterator[str]:
    nuclides = {vial.vial: vial.nuclide for vial in contents}
    yield f"last report, {instant_text(report.estimates[0].at_ns)}"
    for estimate in report.estimates:
        yield _line(_name(estimate), _estimate(estimate, nuclides[estimate.vial]))
        yield from _budget(estimate)
    for remaining in report.remaining:
        yield _line("fraction remaining", _remaining(remaining))
    for word in report.witnesses:
        yield _line("detectors", _word(word))
    for check in report.half_lives:
        yield _line("half-life", _half_life(check))


def _estimate(estimate: Estimate, nuclide: str) -> str:
    is_small = nuclide.startswith(_IN_MBQ)
    unit, scale = ("MBq", MBQ_PER_GBQ) if is_small else ("GBq", 1.0)
    expanded = COVERAGE_FACTOR * estimate.activity_u_gbq * scale
    value = _amount(estimate.activity_gbq * scale, expanded)
    return f"{value} {unit} (k = 2), {estimate.state}{_why(estimate.reasons)}"


def _budget(estimate: Estimate) -> Iterator[str]:
    shares = sorted(estimate.budget, key=lambda share: -share.u_ratio)
    text = ", ".join(
        f"{share.name} {100 * share.u_ratio:.2g} %"
        for share in shares
        if share.u_ratio >= _SHOWN_FROM
    )
    for row in textwrap.wrap(f"k = 1: {text}" if text else "", _ROOM):
        yield _line("", row)


def _remaining(found: Remaining) -> str:
    since = f"since {instant_text(found.since_ns)}"
    if found.ratio is None or found.ratio_u is None:
        return f"{found.state} {since}{_why(found.reasons)}"
    value = _amount(100.0 * found.ratio, 100.0 * COVERAGE_FACTOR * found.ratio_u)
    return f"{value} % (k = 2) {since}, {found.state}{_why(found.reasons)}"


def _word(word: Witness) -> str:
    if word.ratio is None or word.noticeable_ratio is None:
        return f"{word.verdict}{_why(word.reasons)}"
    value = _amount(100.0 * word.ratio, 100.0 * COVERAGE_FACTOR * (word.ratio_u or 0.0))
    return (
        f"{word.verdict}: {value} % of the certificate's (k = 2); "
        f"would notice {100.0 * word.noticeable_ratio:.2g} %"
    )


def _half_life(found: HalfLifeCheck) -> str:
    is_long = found.expected_half_life_s >= 2 * S_PER_DAY
    unit, scale = ("d", S_PER_DAY) if is_long else ("h", S_PER_HOUR)
    expected = f"{found.expected_half_life_s / scale:.4g} {unit} by certificate"
    if found.half_life_s is None or found.half_life_u_s is None:
        return f"{found.verdict}, {expected}{_why(found.reasons)}"
    expanded = COVERAGE_FACTOR * found.half_life_u_s / scale
    seen = f"{_amount(found.half_life_s / scale, expanded)} {unit} (k = 2)"
    return f"{found.verdict}: {seen} seen, {expected}{_why(found.reasons)}"


def _fingerprint(step: Fingerprint) -> str:
    result = step.result
    if result is None:
        return "not judged"
    if result.ratio is None or result.deviation is None:
        return f"{result.verdict}{_why(result.reasons)}"
    size = f"{100 * result.ratio:.1f} % of what is expected, {result.deviation:.1f} u"
    return f"{result.verdict}: {size}{_why(result.reasons)}"


def _verdict(found: Recomputation) -> Iterator[str]:
    for text in found.altered[:20]:
        yield f"left out: {text}"
    for one in found.differences:
        where = f"{one.gateway} record {one.sequence:,}"
        yield f"different at {where}, {one.kind}: {one.text}"
    unjudged = sum(found.unjudged.values())
    if unjudged:
        yield (
            f"unjudged: {unjudged:,} statements follow missing records, so that what "
            "the gateway knew is not known here"
        )
    if found.is_same:
        yield f"the same: {sum(found.same.values()):,} statements, computed again"
    elif found.different or found.altered:
        count = sum(found.different.values())
        yield (
            f"DIFFERENT: {count:,} statements come out otherwise, "
            f"{len(found.altered):,} items are altered"
        )
    else:
        yield "nothing to compare"


def as_json(found: Recomputation, container: str, at_ns: int | None) -> bytes:
    """Return a recomputation as one line of JSON; instants in ns UTC."""
    at = [] if at_ns is None else list(_at(found, at_ns))
    plain: dict[str, Any] = {
        "container": container,
        "gateways": found.gateways,
        "shipments": found.shipments,
        "records": found.records,
        "missing": found.missing,
        "seals_checked": found.is_checked,
        "altered": found.altered,
        "same": dict(found.same),
        "different": dict(found.different),
        "unjudged": dict(found.unjudged),
        "differences": [
            {
                "gateway": one.gateway,
                "sequence": one.sequence,
                "kind": one.kind,
                "text": one.text,
            }
            for one in found.differences
        ],
        "is_same": found.is_same,
        "last": _shown(found.last),
        "fingerprint": None if found.fingerprint is None else found.fingerprint.result,
        "at": at,
    }
    return msgspec.json.encode(plain)


def _shown(report: Report | None) -> dict[str, Any] | None:
    if report is None:
        return None
    names = ("from_boot_ns", "to_boot_ns", "conditions", *KINDS.values())
    return {name: getattr(report, name) for name in names}


def _line(name: str, text: str) -> str:
    return f"{name:{_WIDTH}}{text}".rstrip()


def _why(reasons: tuple[str, ...]) -> str:
    return f" ({'; '.join(reasons)})" if reasons else ""


def _amount(value: float, expanded: float) -> str:
    """Write a value and its expanded uncertainty to two digits of the latter."""
    digits = 2
    if expanded > 0.0 and math.isfinite(expanded):
        digits = max(0, 1 - math.floor(math.log10(expanded)))
    return f"{value:.{digits}f} {_PLUS_MINUS} {expanded:.{digits}f}"
