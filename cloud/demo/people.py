"""The people of the journey: each signs facts with a key of their own."""

import secrets
from dataclasses import dataclass, field

from cloud.adapters.key_file import FileSigner
from schemas.envelope import ZERO_DIGEST, digest
from schemas.facts import KINDS, VERSION, FactBody, FactHeader, seal_fact


@dataclass(slots=True)
class Person:
    """Somebody with a key; keeps the chain of what they said."""

    name: str
    signer: FileSigner
    sequence: int = 0
    previous: bytes = field(default=ZERO_DIGEST)

    def say(self, body: FactBody, utc_ns: int) -> bytes:
        """Return the sealed fact, linked to this person's previous one."""
        header = FactHeader(
            version=VERSION,
            fact=secrets.token_bytes(16),
            author=self.name,
            sequence=self.sequence,
            previous=self.previous,
            utc_ns=utc_ns,
            kind=KINDS[type(body)],
            exercise=True,
        )
        sealed = seal_fact(header, body, self.signer)
        self.sequence += 1
        self.previous = digest(sealed)
        return sealed
