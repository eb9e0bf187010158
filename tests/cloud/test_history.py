from collections.abc import Callable

import pytest

from cloud.history import HistoryReport, check_history
from cloud.history_chain import ChainKind
from cloud.spans import Span, missing, united
from cloud.verdict import details, verdict
from cloud.verification import RefusalReason
from schemas import records
from schemas.commands import Release
from schemas.envelope import digest, split_with_offsets, withheld
from tests.builders import (
    GATEWAY,
    SECOND_NS,
    Author,
    Cloud,
    GatewayChain,
    birth,
    order,
    registry,
    report,
)

SERVER, AUTHOR = Cloud(), Author("courier-1")
CHAIN, OTHER = GatewayChain(), GatewayChain("gw-test-02")
KNOWN = registry(CHAIN, OTHER, SERVER, AUTHOR)


def fill(chain: GatewayChain, length: int) -> list[bytes]:
    chain.append(birth())
    for minute in range(length - 1):
        chain.append(report(minute))
    return chain.sealed


SEALED = fill(CHAIN, 20)
FOREIGN = fill(OTHER, 5)
FACTS = [AUTHOR.state(order()), AUTHOR.state(order("SH-2"))]
RECEIPT = SERVER.receipt(CHAIN)
FULL = [RECEIPT, *SEALED, *FOREIGN, *FACTS, SERVER.command(Release("SH-1"))]


def checked(*items: bytes) -> HistoryReport:
    return check_history(b"".join(items), KNOWN)


def faults(found: HistoryReport) -> list[tuple[int, RefusalReason]]:
    return [(fault.item, fault.reason) for fault in found.faults]


def gaps(found: HistoryReport) -> list[Span]:
    return [gap for chain in found.chains for gap in chain.missing]


def test_a_whole_history_is_complete() -> None:
    found = checked(*FULL)
    assert found.is_complete
    assert (found.items, found.commands, found.receipts) == (29, 1, 1)
    assert [(one.key.kind, one.key.subject, one.held) for one in found.chains] == [
        (ChainKind.FACTS, "courier-1", 2),
        (ChainKind.RECORDS, GATEWAY, 20),
        (ChainKind.RECORDS, "gw-test-02", 5),
    ]
    assert [one.proven_to for one in found.chains] == [None, 19, None]
    assert verdict(found) == (
        "complete: 25 records of gw-test-01, gw-test-02, "
        "100.00 % of the time covered, 0 gaps"
    )
    assert "  a receipt proves the end at 19" in details(found)
    assert "  no receipt: a lost end would not be noticed" in details(found)


def test_nothing_is_not_complete() -> None:
    assert not checked().is_complete
    assert verdict(checked()).startswith("empty")


def test_every_single_byte_change_is_found_at_its_item() -> None:
    items = [RECEIPT, *SEALED[:4], withheld(SEALED[4]), SEALED[5], *FACTS]
    receipt = SERVER.receipt(CHAIN, contiguous=5)
    data = b"".join([receipt, *items[1:]])
    offsets = list(split_with_offsets(data))
    for number, (item, start, end) in enumerate(offsets, start=1):
        for at in range(start, end, 1 if not isinstance(item, bytes) else 7):
            changed = bytearray(data)
            changed[at] ^= 0x41
            found = check_history(bytes(changed), KNOWN)
            assert not found.is_complete
            named = {fault.item for fault in found.faults}
            # A withheld digest has no seal: the item behind it does not link to it.
            assert named & ({number} if isinstance(item, bytes) else {number, 7})


@pytest.mark.parametrize("index", [0, 1, 9, 19])
def test_one_changed_byte_is_the_only_fault_and_makes_no_gap(index: int) -> None:
    altered = bytearray(SEALED[index])
    altered[len(altered) // 2] ^= 1
    items = [RECEIPT, *SEALED[:index], bytes(altered), *SEALED[index + 1 :]]
    found = checked(*items)
    assert [item for item, _ in faults(found)] == [index + 2]
    assert found.faults[0].offset == sum(len(one) for one in items[: index + 1])
    assert gaps(found) == []
    assert verdict(found).startswith(f"altered at item {index + 2} (byte ")


@pytest.mark.parametrize("index", range(20))
def test_one_removed_record_is_named(index: int) -> None:
    found = checked(RECEIPT, *SEALED[:index], *SEALED[index + 1 :])
    assert (faults(found), gaps(found)) == ([], [Span(index, index)])
    assert verdict(found) == f"gap: 1 records of {GATEWAY} missing, at {index}"


def test_a_lost_tail_is_noticed_by_the_receipt() -> None:
    assert gaps(checked(RECEIPT, *SEALED[:15])) == [Span(15, 19)]
    assert gaps(checked(RECEIPT)) == [Span(0, 19)]
    assert checked(*SEALED[:15]).is_complete


def test_a_cut_file_is_altered_where_it_ends() -> None:
    data = b"".join(SEALED)[:-3]
    found = check_history(data, KNOWN)
    assert [item for item, _ in faults(found)] == [20]


def test_noise_between_records_is_one_fault() -> None:
    found = checked(*SEALED[:3], b"\xff noise \xd2\x84", *SEALED[3:])
    assert faults(found) == [(4, RefusalReason.NOT_SEALED)]
    assert found.chains[0].held == 20


def test_padding_is_nothing() -> None:
    found = checked(bytes(5), SEALED[0], bytes(9), SEALED[1], bytes(100))
    assert found.is_complete
    assert found.items == 2


@pytest.mark.parametrize("hidden", [{0}, {3}, {3, 4, 5}, {19}, {0, 1, 18, 19}])
def test_withheld_items_leave_the_chain_whole(hidden: set[int]) -> None:
    items = [withheld(one) if at in hidden else one for at, one in enumerate(SEALED)]
    found = checked(RECEIPT, *items, *FOREIGN)
    assert found.is_complete
    assert sum(span.size for span in found.chains[0].withheld) == len(hidden)


def test_a_withheld_digest_of_something_else_breaks_the_chain() -> None:
    items = [*SEALED[:3], withheld(FOREIGN[1]), *SEALED[4:]]
    assert faults(checked(*items)) == [(5, RefusalReason.BROKEN_LINK)]
    tail = [RECEIPT, *SEALED[:19], withheld(FOREIGN[1])]
    assert faults(checked(*tail)) == [(1, RefusalReason.BROKEN_LINK)]


def test_an_item_removed_beside_a_withheld_one_is_named() -> None:
    items = [*SEALED[:5], withheld(SEALED[5]), *SEALED[8:]]
    assert gaps(checked(RECEIPT, *items)) == [Span(6, 7)]
    items = [*SEALED[:5], withheld(SEALED[7]), *SEALED[8:]]
    assert gaps(checked(RECEIPT, *items)) == [Span(5, 6)]


def test_an_inserted_withheld_digest_is_a_fault() -> None:
    items = [*SEALED[:3], withheld(FOREIGN[1]), *SEALED[3:]]
    assert not checked(*items).is_complete


def forked() -> list[bytes]:
    chain = GatewayChain()
    chain.append(birth())
    chain.append(report(0, temperature_c=20.0))
    chain.append(report(1))
    return chain.sealed


def test_rule_10_two_contents_of_one_record() -> None:
    found = checked(*SEALED[:3], forked()[1])
    assert faults(found) == [(4, RefusalReason.EQUIVOCATION)]


def test_rule_11_a_record_of_another_chain_in_its_place() -> None:
    found = checked(*SEALED[:2], forked()[2], *SEALED[3:])
    assert (3, RefusalReason.BROKEN_LINK) in faults(found)


def test_repeated_and_reordered_records_are_complete_and_counted() -> None:
    found = checked(SEALED[1], SEALED[0], SEALED[0], *SEALED[2:])
    assert found.is_complete
    assert (found.repeated, found.reordered) == (1, 1)


def test_a_signed_gap_explains_a_gap() -> None:
    chain = GatewayChain()
    fill(chain, 6)
    gap = records.Gap(1, 3, records.GapReason.DROPPED, digest(chain.sealed[3]))
    chain.append(gap)
    found = checked(chain.sealed[0], *chain.sealed[4:])
    assert found.is_complete
    assert verdict(found).endswith("1 explained gaps")
    assert "  dropped from 1 to 3, signed" in details(found)


def test_a_signed_gap_that_contradicts_the_chain_is_a_fault() -> None:
    chain = GatewayChain()
    fill(chain, 6)
    chain.append(records.Gap(1, 3, records.GapReason.DROPPED, bytes(32)))
    found = checked(chain.sealed[0], *chain.sealed[4:])
    assert faults(found) == [(4, RefusalReason.BROKEN_LINK)]


def test_a_signed_gap_cannot_explain_what_comes_after_it() -> None:
    chain = GatewayChain()
    chain.append(birth())
    chain.append(records.Gap(0, 10**12, records.GapReason.DROPPED, bytes(32)))
    found = checked(*chain.sealed, SERVER.receipt(CHAIN))
    assert not found.is_complete


def test_coverage_is_the_share_of_each_boot() -> None:
    chain = GatewayChain()
    chain.append(birth())
    for minute in (0, 1, 4):
        chain.append(report(minute))
    chain.boot_id = bytes(16)
    chain.append(report(7))
    found = checked(*chain.sealed).chains[0]
    minute_ns = 60 * SECOND_NS
    spans = [(boot.covered_ns, boot.span_ns) for boot in found.coverage]
    assert spans == [(3 * minute_ns, 5 * minute_ns), (minute_ns, minute_ns)]
    assert found.covered_ratio == pytest.approx(4 / 6)


def test_facts_are_a_chain_of_their_own() -> None:
    author = Author("courier-1")
    items = [author.state(order(f"SH-{at}")) for at in range(4)]
    assert gaps(checked(items[0], items[3])) == [Span(1, 2)]
    hidden = [items[0], withheld(items[1]), withheld(items[2]), items[3]]
    assert checked(*hidden).is_complete


def test_an_unknown_signer_is_named() -> None:
    stranger = fill(GatewayChain("gw-stranger"), 1)
    assert faults(checked(*SEALED, *stranger)) == [(21, RefusalReason.UNKNOWN_KEY)]


@pytest.mark.parametrize(
    ("expected", "known", "found"),
    [
        ([(0, 9)], [], [(0, 9)]),
        ([(0, 9)], [(0, 9)], []),
        ([(0, 9)], [(2, 3), (4, 4), (8, 20)], [(0, 1), (5, 7)]),
        ([(5, 6), (0, 1)], [(1, 5)], [(0, 0), (6, 6)]),
    ],
)
def test_missing_spans(
    expected: list[tuple[int, int]],
    known: list[tuple[int, int]],
    found: list[tuple[int, int]],
) -> None:
    spans: Callable[[list[tuple[int, int]]], list[Span]] = lambda pairs: [  # noqa: E731
        Span(*pair) for pair in pairs
    ]
    assert missing(spans(expected), spans(known)) == tuple(spans(found))


def test_united_spans_neither_overlap_nor_touch() -> None:
    found = united([Span(5, 6), Span(0, 1), Span(2, 3), Span(6, 9)])
    assert found == (Span(0, 3), Span(5, 9))
