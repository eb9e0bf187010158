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

A handover is signed where it happens; a paper is for what was signed on paper, or by
nobody. An acknowledgement is no paper.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from cloud import centre_papers, custody_papers, shipping_papers, vial_papers
from cloud.paper_sheet import PaperError, Sheet, open_sheet
from schemas.facts import FactBody


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


KINDS: Final[Mapping[str, Callable[[Sheet], FactBody]]] = MappingProxyType(
    {
        "order": shipping_papers.order,
        "confirmation": shipping_papers.confirmation,
        "certificate": vial_papers.certificate,
        "consignment": shipping_papers.consignment,
        "survey": shipping_papers.survey,
        "reschedule": shipping_papers.reschedule,
        "decision": shipping_papers.decision,
        "centre-profile": centre_papers.profile,
        "acceptance": centre_papers.acceptance,
        "assay": centre_papers.assay,
        "container-return": centre_papers.container_return,
        "disposal": centre_papers.disposal,
        "handover": custody_papers.handover,
        "diversion": custody_papers.diversion,
        "correction": custody_papers.correction,
    }
)
