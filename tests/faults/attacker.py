"""Someone between gateways and cloud, who sees all and has every key but theirs."""

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

from gateway.scan import Peek, peek
from schemas.envelope import digest, open_envelope, seal, split_sequence
from schemas.keys import Ed25519Signer
from schemas.receipts import KIND, VERSION, Receipt, seal_receipt
from schemas.records import Header, Heartbeat, TimeSource, record_aad, seal_record
from schemas.topics import Lane, parse_topic, topic
from tests.builders import START_NS
from tests.faults.wire import Broker, Publication

_REMEMBERED = 400


class _Imposter:
    """Signs with an own key under the kid of another."""

    def __init__(self, rng: Random, kid: bytes | None) -> None:
        own = Ed25519Signer(rng.randbytes(32))
        self.algorithm = own.algorithm
        self.kid = kid or own.kid
        self.sign = own.sign


class Attacker:
    """Replays, alters, forges and crosses over; ``insider`` has a gateway's key."""

    def __init__(
        self,
        broker: Broker,
        rng: Random,
        gateways: Sequence[str],
        kids: Sequence[bytes],
        insider: Ed25519Signer,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._broker = broker
        self._rng = rng
        self._gateways = gateways
        self._kids = kids
        self._insider = insider
        self._up: list[Publication] = []
        self._down: list[Publication] = []
        self._last: dict[str, bytes] = {}

    def see(self, message: Publication) -> None:
        """Remember what passes."""
        is_down = message.topic.endswith((Lane.RECEIPT, Lane.COMMAND))
        seen = self._down if is_down else self._up
        if len(seen) >= _REMEMBERED:
            seen[self._rng.randrange(_REMEMBERED)] = message
        else:
            seen.append(message)
        if not is_down:
            *_, last = split_sequence(message.payload)
            if isinstance(last, bytes):
                self._last[parse_topic(message.topic).gateway] = last

    def act(self) -> None:
        """Send one hostile message."""
        if not self._up or not self._down:
            return
        acts: tuple[Callable[[], None], ...] = (
            self.replay,
            self.replay,
            self.alter,
            self.alter,
            self.forge_record,
            self.forge_receipt,
            self.cross,
            self.cut_short,
        )
        act = self._rng.choice(acts)
        self.counts[act.__name__] += 1
        act()

    def _send(self, message: Publication) -> None:
        if message.topic.endswith((Lane.RECEIPT, Lane.COMMAND)):
            self._broker.hand_down(message)
        elif self._broker.is_up and len(self._broker.queue) < 50:
            at = self._rng.randint(0, len(self._broker.queue))
            self._broker.queue.insert(at, message)
            self._broker.wake_ingestor()

    def _pick(self) -> Publication:
        return self._rng.choice(self._rng.choice((self._up, self._down)))

    def replay(self) -> None:
        """Send an old message again."""
        self._send(self._pick())

    def alter(self) -> None:
        """Flip one bit, mostly in the payload."""
        message = self._pick()
        data = bytearray(message.payload)
        data[self._rng.randrange(len(data))] ^= 1 << self._rng.randrange(8)
        self._send(message._replace(payload=bytes(data)))

    def cut_short(self) -> None:
        """Send the front of a message."""
        message = self._pick()
        end = self._rng.randrange(len(message.payload))
        self._send(message._replace(payload=message.payload[:end]))

    def cross(self) -> None:
        """Send what is under one topic under that of another gateway or lane."""
        message = self._pick()
        lane = self._rng.choice(list(Lane))
        name = topic(self._rng.choice(self._gateways), lane)
        self._send(Publication(name, message.payload))

    def forge_record(self) -> None:
        """Seal the next record with an own key, under a kid that is known, or as
        insider; half of them link to what the true chain holds."""
        known = self._newest()
        if known is None:
            return
        gateway, seen, last = known
        kid = self._rng.choice([None, *self._kids])
        signer = self._rng.choice((_Imposter(self._rng, kid), self._insider))
        header = Header(
            version=1,
            gateway=gateway,
            epoch=seen.epoch,
            sequence=seen.sequence + 1,
            kind="heartbeat",
            previous=self._rng.choice((last, self._rng.randbytes(32))),
            boot_id=bytes(16),
            boot_ns=0,
            time_source=TimeSource.NTP,
            exercise=False,
            utc_ns=START_NS,
        )
        sealed = seal_record(header, Heartbeat(0, bytes(32), 0, 0, 0), signer)
        self._send(Publication(topic(gateway, Lane.LIVE), sealed))

    def forge_receipt(self) -> None:
        """Tell a gateway that all is held, in the hope that it deletes."""
        known = self._newest()
        if known is None:
            return
        gateway, seen, last = known
        kid = self._rng.choice([None, *self._kids])
        signer = self._rng.choice((_Imposter(self._rng, kid), self._insider))
        receipt = Receipt(
            VERSION, KIND, gateway, seen.epoch, START_NS, seen.sequence, last
        )
        sealed = seal_receipt(receipt, signer)
        if self._rng.random() < 0.2:
            # The seal of a record around a receipt.
            payload = open_envelope(sealed).payload
            sealed = seal(payload, signer, record_aad(1, gateway))
        self._send(Publication(topic(gateway, Lane.RECEIPT), sealed))

    def _newest(self) -> tuple[str, Peek, bytes] | None:
        """Return a gateway and what its newest record says in clear."""
        gateway = self._rng.choice(self._gateways)
        found = self._last.get(gateway)
        return None if found is None else (gateway, peek(found), digest(found))
