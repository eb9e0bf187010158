"""What the cloud itself says: facts under its own key, one chain for all its programs.

Each program of the cloud may speak; the ledger gives each word its place in the chain
in the transaction that takes it, so that two of them never say the same sequence.
"""

from typing import NamedTuple

from cloud.ports import Ledger
from cloud.signing import Author, ChainEnd
from cloud.verification import VerifiedFact, own_fact
from schemas.facts import FactBody
from schemas.keys import Signer


class Voice(NamedTuple):
    """The cloud as an author; ``exercise`` marks everything that it says."""

    name: str
    signer: Signer
    exercise: bool

    def state(self, ledger: Ledger, body: FactBody, now_ns: int) -> VerifiedFact:
        """Seal a fact into the ledger and return it.

        Raises:
            LedgerError: nothing was said; try again later.
            MalformedError: the body has no form on the wire.
        """
        author = Author(self.name, self.signer, self.exercise)

        def seal(end: ChainEnd) -> VerifiedFact:
            return own_fact(author.say(body, now_ns, end)[0])

        return ledger.append_own_fact((self.name, self.signer.kid), seal, now_ns)
