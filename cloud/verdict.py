"""The words for what the offline check found; the first line is the verdict."""

from cloud.history import HistoryReport
from cloud.history_chain import ChainKind, ChainReport
from cloud.spans import Span


def verdict(report: HistoryReport) -> str:
    """Return one line: complete, gap, or altered, and where."""
    if report.faults:
        fault = report.faults[0]
        more = len(report.faults) - 1
        return (
            f"altered at item {fault.item:,} (byte {fault.offset:,}): "
            f"{fault.reason}, {fault.detail}" + (f"; and {more:,} more" if more else "")
        )
    for chain in report.chains:
        if chain.missing:
            lost = sum(gap.size for gap in chain.missing)
            places = ", ".join(_range(gap) for gap in chain.missing[:5])
            return f"gap: {lost:,} {_what(chain)} missing, {places}"
    if not report.chains:
        return "empty: no records and no facts"
    return _complete(report)


def _complete(report: HistoryReport) -> str:
    records = [one for one in report.chains if one.key.kind is ChainKind.RECORDS]
    if not records:
        facts = sum(chain.held for chain in report.chains)
        return f"complete: {facts:,} facts, 0 gaps"
    held = sum(chain.held for chain in records)
    names = ", ".join(sorted({chain.key.subject for chain in records}))
    ratio = _covered(records)
    covered = "" if ratio is None else f"{ratio:.2%} of the time covered, "
    covered = covered.replace("%", " %")
    explained = sum(len(chain.explained) for chain in records)
    gaps = f"{explained} explained gaps" if explained else "0 gaps"
    return f"complete: {held:,} records of {names}, {covered}{gaps}"


def _covered(chains: list[ChainReport]) -> float | None:
    boots = [boot for chain in chains for boot in chain.coverage]
    span_ns = sum(boot.span_ns for boot in boots)
    return sum(boot.covered_ns for boot in boots) / span_ns if span_ns else None


def details(report: HistoryReport) -> list[str]:
    """Return the lines below the verdict: faults, then every chain."""
    lines = [
        f"item {fault.item:,} (byte {fault.offset:,}): {fault.reason}, {fault.detail}"
        for fault in report.faults[:20]
    ]
    for chain in report.chains:
        lines += _chain_lines(chain)
    lines.append(
        f"{report.items:,} items, {report.commands:,} commands, "
        f"{report.receipts:,} receipts, {report.repeated:,} repeated, "
        f"{report.reordered:,} out of order"
    )
    return lines


def _chain_lines(chain: ChainReport) -> list[str]:
    epoch = chain.key.epoch.hex()
    lines = [f"{_what(chain)} ({epoch}): {chain.held:,} held"]
    lines += [f"  missing {_range(gap)}" for gap in chain.missing]
    lines += [f"  {one.reason} {_range(one.span)}, signed" for one in chain.explained]
    if chain.withheld:
        number = sum(span.size for span in chain.withheld)
        lines.append(f"  {number:,} withheld by digest")
    lines += [
        f"  boot {boot.boot_id.hex()[:8]}: {boot.covered_ns / boot.span_ns:.2%}"
        f" of {boot.span_ns / 3.6e12:.1f} h covered".replace("%", " %")
        for boot in chain.coverage
    ]
    if chain.key.kind is ChainKind.RECORDS:
        lines.append(_proof(chain))
    return lines


def _proof(chain: ChainReport) -> str:
    if chain.proven_to is None:
        return "  no receipt: a lost end would not be noticed"
    if chain.last is not None and chain.last > chain.proven_to:
        return f"  a receipt proves the chain up to {chain.proven_to:,}"
    return f"  a receipt proves the end at {chain.proven_to:,}"


def _what(chain: ChainReport) -> str:
    return f"{chain.key.kind} of {chain.key.subject}"


def _range(span: Span) -> str:
    if span.size == 1:
        return f"at {span.first:,}"
    return f"from {span.first:,} to {span.last:,}"
