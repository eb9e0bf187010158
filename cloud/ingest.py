"""Ingest: from messages to the ledger, and answers to the gateways.

One worker takes messages from the line's bounded queue, verifies every sealed item,
appends what is authentic in one transaction for all messages at hand, and only then
acknowledges them and owes receipts. Three things can be wrong with a message:

- noise or not authentic: quarantine, acknowledged, no receipt
- authentic with a body that nobody can read: ledger and receipt like any other
- the ledger does not answer: nothing is acknowledged, tried again with backoff
"""

import logging
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol, TypeVar

from cloud.adapters.key_file import RegistryFile, load_signer
from cloud.adapters.ledger import open_ledger
from cloud.adapters.mqtt import MqttLine, Received
from cloud.adapters.shared_clock import open_clock
from cloud.config import Config, IngestConfig
from cloud.dispatch import Dispatcher, issue
from cloud.errors import ConfigError, LedgerError
from cloud.metrics import IngestMetrics, served
from cloud.noticing import Noticer
from cloud.ports import Chain, Clock, Ledger
from cloud.receipting import GapWatch, ReceiptDesk
from cloud.signing import Author
from cloud.verification import (
    Refusal,
    RefusalReason,
    VerifiedRecord,
    verify_record,
)
from schemas.commands import Resend
from schemas.envelope import MAX_MESSAGE_BYTES, split_sequence
from schemas.errors import MalformedError
from schemas.keys import KeyRegistry, Signer
from schemas.topics import Lane, filters_up, parse_topic

MESSAGES_AT_ONCE: Final = 32
# A request to resend does no harm late, and simulated time passes quickly.
RESEND_TTL_NS: Final = 24 * 3600 * 10**9
_WAIT_S: Final = 0.1
_REGISTRY_EVERY_S: Final = 2.0
_BACKOFF_MIN_S: Final = 0.2
_BACKOFF_MAX_S: Final = 5.0

_log: Final = logging.getLogger(__name__)

T = TypeVar("T")


class Line(Protocol):
    """The line to the broker, see :class:`cloud.adapters.mqtt.MqttLine`."""

    def take(self, limit: int, wait_s: float) -> list[Received]:
        """Return up to ``limit`` messages; waits ``wait_s`` for the first."""

    def acknowledge(self, message: Received) -> None:
        """Send the PUBACK of a message that is durable."""

    def publish(self, topic: str, payload: bytes) -> bool:
        """Send a message at QoS 1; false without a connection."""


class Judged(NamedTuple):
    """What is in a message."""

    records: tuple[VerifiedRecord, ...]
    refusals: tuple[Refusal, ...]


class Parties(NamedTuple):
    """Whom the ingestor works with."""

    ledger: Ledger
    line: Line
    clock: Clock
    signer: Signer
    registry: Callable[[], KeyRegistry]


def judge_message(topic: str, payload: bytes, registry: KeyRegistry) -> Judged:
    """Verify every item of a message; pure. What cannot be split is one refusal."""
    try:
        gateway = parse_topic(topic).gateway
    except MalformedError as error:
        return _refused(RefusalReason.WRONG_OWNER, str(error), payload)
    if len(payload) > MAX_MESSAGE_BYTES:
        detail = f"message of {len(payload)} bytes"
        return _refused(RefusalReason.TOO_LARGE, detail, payload)
    records: list[VerifiedRecord] = []
    refusals: list[Refusal] = []
    for item in _split(payload):
        judged = (
            verify_record(item, registry, gateway) if isinstance(item, bytes) else item
        )
        if isinstance(judged, Refusal):
            refusals.append(judged)
        else:
            records.append(judged)
    return Judged(tuple(records), tuple(refusals))


def _refused(reason: RefusalReason, detail: str, payload: bytes) -> Judged:
    return Judged((), (Refusal(reason, detail, payload),))


def _split(payload: bytes) -> list[bytes | Refusal]:
    found: list[bytes | Refusal] = []
    try:
        for item in split_sequence(payload):
            if isinstance(item, bytes):
                found.append(item)
            else:
                detail = "a withheld digest in a message"
                found.append(Refusal(RefusalReason.NOT_SEALED, detail, item.digest))
    except MalformedError as error:
        found.append(Refusal(RefusalReason.NOT_SEALED, str(error), payload))
    return found


def _by_urgency(messages: Sequence[Received]) -> list[list[Received]]:
    """Return alarms and live values apart, before the bulk that came with them.

    While a backlog drains, a turn's bulk is a thousand records and more: a live value
    must not wait for them.
    """
    groups: dict[bool, list[Received]] = {False: [], True: []}
    for message in messages:
        groups[message.topic.endswith(f"/{Lane.BULK}")].append(message)
    return [group for group in groups.values() if group]


class Ingestor:
    """The worker: one :meth:`step` after the other until ``stop`` is set."""

    def __init__(
        self,
        parties: Parties,
        settings: IngestConfig,
        stop: threading.Event,
        metrics: IngestMetrics | None = None,
    ) -> None:
        self._ledger, self._line, self._clock, self._signer, self._registry = parties
        self._metrics = metrics or IngestMetrics()
        self._settings = settings
        self._stop = stop
        publish = self._line.publish
        self._desk = ReceiptDesk(self._ledger, self._clock, self._signer, publish)
        self._gaps = GapWatch(settings.resend_after_s)
        self._noticer = Noticer(
            self._ledger, self._clock, self._author(), settings.silent_after_s
        )
        self._dispatcher = Dispatcher(
            self._ledger, publish, settings.command_interval_s
        )
        self._refused: Counter[RefusalReason] = Counter()

    def run(self) -> None:
        """Work until ``stop`` is set; infrastructure that fails is waited for."""
        while not self._stop.is_set():
            self.step(time.monotonic())

    def step(self, now_s: float) -> None:
        """Take what has come, make it durable, acknowledge it, and answer.

        Args:
            now_s: real monotonic time, for receipts and what is sent again.
        """
        messages = self._line.take(MESSAGES_AT_ONCE, _WAIT_S)
        if messages and not self._keep(messages, now_s):
            return
        self._patiently(lambda: self._answer(now_s))

    def _author(self) -> Author:
        key = self._registry().find(self._signer.kid)
        name = "cloud" if key is None else key.owner
        return Author(name, self._signer, self._clock.exercise)

    def _keep(self, messages: Sequence[Received], now_s: float) -> bool:
        """Bring messages into the ledger, then acknowledge; false if stopped before."""
        for some in _by_urgency(messages):
            if not self._commit(some, now_s):
                return False
        for message in messages:
            self._line.acknowledge(message)
        return True

    def _commit(self, messages: Sequence[Received], now_s: float) -> bool:
        registry = self._registry()
        judged = [judge_message(one.topic, one.payload, registry) for one in messages]
        records = [record for one in judged for record in one.records]
        refusals = [refusal for one in judged for refusal in one.refusals]
        if not self._patiently(lambda: self._append(records, refusals, now_s)):
            return False
        for record in records:
            self._desk.note(Chain(record.header.gateway, record.header.epoch))
        return True

    def _append(
        self,
        records: Sequence[VerifiedRecord],
        refusals: Sequence[Refusal],
        now_s: float,
    ) -> None:
        now_ns = self._clock.utc_ns()
        conflicts: tuple[Refusal, ...] = ()
        if records:
            with self._metrics.commit():
                result = self._ledger.append_records(records, now_ns)
            self._metrics.appended(result)
            conflicts = result.conflicts
            self._noticer.accepted(records, result.grown, conflicts, now_s)
        if refusals:
            self._ledger.quarantine(refusals, now_ns)
        self._log_refusals((*refusals, *conflicts))

    def _log_refusals(self, refusals: Sequence[Refusal]) -> None:
        """Say a refusal once; then at 10, 100, 1000 of its reason."""
        for refusal in refusals:
            self._refused[refusal.reason] += 1
            self._metrics.refused(refusal.reason)
            number = self._refused[refusal.reason]
            if str(number).strip("0") == "1":
                _log.warning(
                    "refused=%s number=%d detail=%r",
                    refusal.reason,
                    number,
                    refusal.detail,
                )

    def _answer(self, now_s: float) -> None:
        said = self._desk.send(now_s, self._settings.receipt_interval_s)
        self._metrics.receipted(len(said))
        for chain, watermark in said.items():
            self._gaps.observe(chain, watermark, now_s)
        standing = self._gaps.standing(now_s)
        for chain in said.keys() | standing.keys():
            self._noticer.watch_gap(chain, standing.get(chain))
        for chain, first, last in self._gaps.due(now_s):
            self._ask(chain, first, last)
        self._noticer.say(now_s)
        self._dispatcher.poll(self._clock.utc_ns(), now_s)

    def _ask(self, chain: Chain, first: int, last: int) -> None:
        body = Resend(chain.epoch, first, last)
        now_ns = self._clock.utc_ns()
        issue(self._ledger, self._signer, chain.gateway, body, now_ns, RESEND_TTL_NS)
        _log.info("resend=asked gateway=%s from=%d to=%d", chain.gateway, first, last)

    def _patiently(self, act: Callable[[], None]) -> bool:
        """Do ``act`` until the ledger takes it; false if stopped before."""
        backoff_s = _BACKOFF_MIN_S
        while True:
            try:
                act()
            except LedgerError as error:
                if backoff_s == _BACKOFF_MIN_S:
                    _log.error("ledger=lost error=%r", str(error))
            else:
                if backoff_s > _BACKOFF_MIN_S:
                    _log.info("ledger=found")
                return True
            if self._stop.wait(backoff_s):
                return False
            backoff_s = min(2 * backoff_s, _BACKOFF_MAX_S)


class PatientRegistry:
    """The registry of a file, looked at every two seconds; broken, the last one."""

    def __init__(self, file: RegistryFile) -> None:
        self._file = file
        self._registry = file.current()
        self._looked_at_s = time.monotonic()

    def __call__(self) -> KeyRegistry:
        """Return the registry."""
        now_s = time.monotonic()
        if now_s - self._looked_at_s >= _REGISTRY_EVERY_S:
            self._looked_at_s = now_s
            try:
                self._registry = self._file.current()
            except ConfigError as error:
                _log.error("registry=broken error=%r", str(error))
        return self._registry


def run(config: Config) -> None:
    """Ingest until SIGTERM or SIGINT.

    Raises:
        CloudError: a key, the registry, the clock, the ledger or the metrics' port
            cannot be opened, or the simulated clock is gone.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    line = MqttLine(config.broker, filters_up())
    ledger = open_ledger(config.ledger.url)
    parties = Parties(
        ledger,
        line,
        open_clock(config.clock),
        load_signer(Path(config.keys.cloud_key)),
        PatientRegistry(RegistryFile(Path(config.keys.registry))),
    )
    line.start()
    _log.info("ingest=started ledger=%s", config.ledger.url)
    metrics = IngestMetrics()
    try:
        with served(metrics, config.ingest.metrics_port):
            Ingestor(parties, config.ingest, stop, metrics).run()
    finally:
        line.stop()
        ledger.close()
        _log.info("ingest=ended")
