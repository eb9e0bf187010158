"""Tells people by webhooks: follows the alarms, fills the queue, delivers it.

A process of its own. Alarms change with the ledger and with time (what persists, what
nobody has seen), so they are looked at whenever the ledger has more, and every few
seconds. What is to be told goes into the queue together with the cursor; each
endpoint has a thread that hands its messages over, so that a dead one holds up none
but itself. Who is new is told of what is open, not of what is over.
"""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cloud.adapters.key_file import RegistryFile, load_signer, read_secret
from cloud.adapters.ledger import open_ledger
from cloud.adapters.notify_queue import Message, NotifyQueue
from cloud.adapters.series import open_series
from cloud.adapters.shared_clock import open_clock
from cloud.adapters.system_clock import SystemClock
from cloud.adapters.webhook import Outcome, post
from cloud.config import Config, WebhookConfig
from cloud.errors import CloudError, ConfigError
from cloud.notifications import (
    CONTENT_TYPE,
    Notification,
    notifications,
    signature,
)
from cloud.ports import Clock
from cloud.statements import Voice
from cloud.watchman import due_notices
from cloud.web.desk import Desk, Situation
from schemas.units import NS_PER_S

POLL_S: Final = 0.5
LOOK_S: Final = 5.0
_log: Final = logging.getLogger(__name__)


class Crier:
    """Follows the alarms and fills the queue."""

    def __init__(
        self,
        desk: Desk,
        queue: NotifyQueue,
        hooks: tuple[WebhookConfig, ...],
        voice: Voice,
        clock: Clock,
    ) -> None:
        self._desk = desk
        self._queue = queue
        self._hooks = hooks
        self._voice = voice
        self._clock = clock
        self._looked_s = float("-inf")
        self._source = f"/dosetrail/{voice.name}"

    def turn(self, now_s: float) -> int:
        """Look if there is reason to; return how many messages are new.

        Raises:
            CloudError: ledger, series or clock cannot be read now; nothing is lost.
        """
        version = self._desk.version()
        is_due = now_s - self._looked_s >= LOOK_S
        if not is_due and version == self._queue.cursor():
            return 0
        self._looked_s = now_s
        situations = self._desk.situations()
        for notice in due_notices(situations):
            self._voice.state(self._desk.ledger, notice, self._desk.clock.utc_ns())
        known, real_s = self._queue.known(), self._clock.utc_ns() / NS_PER_S
        messages = [
            (hook.name, one.name, one.body, one.is_open or hook.name in known)
            for one in sorted(self._told(situations), key=lambda one: one.at_ns)
            for hook in self._hooks
            if one.is_for(hook.audience, hook.party)
        ]
        names = [hook.name for hook in self._hooks]
        return self._queue.put(messages, names, version, real_s)

    def _told(self, situations: list[Situation]) -> list[Notification]:
        told = [
            notification
            for situation in situations
            for alarm in situation.alarms.alarms
            for notification in notifications(alarm, situation.shipment, self._source)
        ]
        for alarm in self._desk.fleet_alarms().alarms:
            told += notifications(alarm, None, self._source)
        return told


class Messenger:
    """Hands the messages of one endpoint over, one after the other."""

    def __init__(
        self,
        hook: WebhookConfig,
        queue: NotifyQueue,
        clock: Clock,
        hand: Callable[[str, bytes, dict[str, str]], Outcome] = post,
    ) -> None:
        self._hook = hook
        self._queue = queue
        self._clock = clock
        self._hand = hand
        self._secret = read_secret(Path(hook.secret_file))

    def turn(self) -> bool:
        """Try the next message if it is due; say whether there was one."""
        now_s = self._clock.utc_ns() / NS_PER_S
        message = self._queue.due(self._hook.name, now_s)
        if message is None:
            return False
        headers = self._headers(message, now_s)
        outcome = self._hand(self._hook.url, message.body, headers)
        self._note(message, outcome)
        return True

    def _headers(self, message: Message, now_s: float) -> dict[str, str]:
        at_s = int(now_s)
        sealed = signature(self._secret, message.name, at_s, message.body)
        return {
            "Content-Type": CONTENT_TYPE,
            "User-Agent": "dosetrail",
            "webhook-id": message.name,
            "webhook-timestamp": str(at_s),
            "webhook-signature": sealed,
        }

    def _note(self, message: Message, outcome: Outcome) -> None:
        name, now_s = self._hook.name, self._clock.utc_ns() / NS_PER_S
        if outcome.error is None:
            self._queue.delivered(name, message, now_s)
            _log.info("told=%s message=%s", name, message.name)
            return
        wait_s = self._queue.failed(
            name,
            message,
            outcome.error,
            now_s,
            is_refusal=outcome.is_refusal,
            retry_after_s=outcome.retry_after_s,
        )
        _log.warning(
            "not told=%s message=%s error=%s again in %.0f s",
            name,
            message.name,
            outcome.error,
            wait_s,
        )

    def follow(self, stop: threading.Event) -> None:
        """Hand messages over until told to stop."""
        while not stop.is_set():
            if not self.turn():
                stop.wait(POLL_S)


def run(config: Config) -> None:
    """Tell people for ever.

    Raises:
        ConfigError: a file of the configuration cannot be used.
    """
    registry = RegistryFile(Path(config.keys.registry)).current()
    signer = load_signer(Path(config.keys.cloud_key))
    key = registry.find(signer.kid)
    if key is None:
        raise ConfigError(
            f"{config.keys.registry}: does not know the cloud's own key; "
            "add it with dosetrail-cloud keys add"
        )
    clock, real = open_clock(config.clock), SystemClock()
    desk = Desk(
        open_ledger(config.ledger.url),
        open_series(config.series.path, config.series.influx),
        clock,
        config.alarms.authorities,
    )
    queue, hooks = NotifyQueue(config.notify.path), config.notify.webhooks
    messengers = [Messenger(hook, queue, real) for hook in hooks]
    stop = threading.Event()
    for one in messengers:
        threading.Thread(target=one.follow, args=(stop,), daemon=True).start()
    voice = Voice(key.owner, signer, clock.exercise)
    _log.info("telling %d endpoints", len(hooks))
    _follow(Crier(desk, queue, hooks, voice, real))


def _follow(crier: Crier) -> None:
    while True:
        try:
            crier.turn(time.monotonic())
        except CloudError as error:
            _log.warning("looks again: %s", error)
        time.sleep(POLL_S)
