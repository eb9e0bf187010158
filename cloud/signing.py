"""Signing facts: whoever has a key says something, linked to what they said before.

The chain of a person is per key. Where it ends is a value (:class:`ChainEnd`); a
program that lives keeps it in memory, a command in a file
(:mod:`cloud.adapters.chain_file`). Two facts of one place in a chain are an
equivocation, which the cloud refuses: so an end is used once.
"""

import secrets
from typing import NamedTuple

from schemas.envelope import ZERO_DIGEST, digest
from schemas.facts import KINDS, VERSION, FactBody, FactHeader, seal_fact
from schemas.keys import Signer

_FACT_BYTES = 16


class ChainEnd(NamedTuple):
    """Sequence of the author's next fact, and the digest that it links to."""

    sequence: int = 0
    previous: bytes = ZERO_DIGEST


class Author(NamedTuple):
    """Somebody with a key; ``exercise`` marks everything they say."""

    name: str
    signer: Signer
    exercise: bool

    def say(self, body: FactBody, utc_ns: int, end: ChainEnd) -> tuple[bytes, ChainEnd]:
        """Return the sealed fact and the new end of the chain.

        Raises:
            MalformedError: a value has no form, or the fact is too large.
        """
        header = FactHeader(
            version=VERSION,
            fact=secrets.token_bytes(_FACT_BYTES),
            author=self.name,
            sequence=end.sequence,
            previous=end.previous,
            utc_ns=utc_ns,
            kind=KINDS[type(body)],
            exercise=self.exercise,
        )
        sealed = seal_fact(header, body, self.signer)
        return sealed, ChainEnd(end.sequence + 1, digest(sealed))
