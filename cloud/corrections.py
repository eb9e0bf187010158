"""Corrections: which facts do not hold any more, and who said so.

Nothing is taken away: a fact that was corrected stays in the ledger and in sight, and
only no longer acts. A correction counts if it is signed after the fact it names, by
the author of that fact or by somebody who may correct others; otherwise it is kept
and has no effect. A correction is a fact too, and may be corrected.
"""

from collections.abc import Collection, Iterable, Mapping

from schemas.custody import Correction
from schemas.facts import Fact

Voided = Mapping[bytes, Fact]
"""The correction that holds, by the uuid of the fact that does not."""


def in_order(facts: Iterable[Fact]) -> list[Fact]:
    """Return facts in the order in which they were signed, each once."""
    once = {fact.header.fact: fact for fact in facts}
    return sorted(once.values(), key=_order)


def _order(fact: Fact) -> tuple[int, bytes]:
    return (fact.header.utc_ns, fact.header.fact)


def voided(facts: Iterable[Fact], authorities: Collection[str] = ()) -> Voided:
    """Return the facts of one shipment that do not hold, whatever the order given."""
    ordered = in_order(facts)
    known = {fact.header.fact: fact for fact in ordered}
    found: dict[bytes, Fact] = {}
    # Newest first: whether a correction holds is decided by later ones only.
    for fact in reversed(ordered):
        body = fact.body
        if not isinstance(body, Correction) or fact.header.fact in found:
            continue
        target = known.get(body.of_fact)
        if target is not None and _may(fact, target, authorities):
            found[body.of_fact] = fact
    return found


def _may(correction: Fact, target: Fact, authorities: Collection[str]) -> bool:
    author = correction.header.author
    is_own = author == target.header.author
    return _order(correction) > _order(target) and (is_own or author in authorities)


def holding(facts: Iterable[Fact], authorities: Collection[str] = ()) -> list[Fact]:
    """Return the facts that hold, in the order in which they were signed."""
    ordered = in_order(facts)
    gone = voided(ordered, authorities)
    return [fact for fact in ordered if fact.header.fact not in gone]
