"""The people of the journey: each signs facts with a key of their own."""

from dataclasses import dataclass
from pathlib import Path

from cloud.adapters.chain_file import chain_path, sign
from cloud.adapters.key_file import FileSigner
from cloud.signing import Author
from schemas.facts import FactBody


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a key in a file.

    The chain of what they said lies next to the key, so that their next word may also
    be a paper, signed by ``dosetrail-cloud paper sign`` while the journey runs.
    """

    name: str
    signer: FileSigner
    key: Path

    def say(self, body: FactBody, utc_ns: int) -> bytes:
        """Return the sealed fact, linked to this person's previous one.

        Raises:
            ConfigError: the chain cannot be read or written.
        """
        author = Author(self.name, self.signer, exercise=True)
        return sign(author, body, utc_ns, chain_path(self.key))
