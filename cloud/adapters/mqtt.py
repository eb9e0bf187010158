"""The ingestor's line to the broker: paho with manual acknowledgement.

A message is acknowledged by whoever has made it durable, from any thread. The
network thread waits while the queue is full: the broker is slowed down, nothing is
dropped. A message of an earlier connection is not acknowledged on a later one,
where its number may stand for another message.
"""

import logging
import queue
import ssl
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from cloud.adapters.key_file import read_secret
from cloud.config import BrokerConfig
from cloud.errors import ConfigError
from schemas.envelope import MAX_MESSAGE_BYTES

QUEUE_MESSAGES: Final = 256
_KEEPALIVE_S: Final = 60
_RETRY_MIN_S: Final = 1
_RETRY_MAX_S: Final = 30
_WAIT_S: Final = 0.2

_log: Final = logging.getLogger(__name__)


class Received(NamedTuple):
    """One message as it came; ``number`` and ``connection`` are for its PUBACK."""

    topic: str
    payload: bytes
    number: int
    connection: int


class MqttLine:
    """A connection that is kept up until :meth:`stop`, with backoff, for ever.

    Messages of the ``filters`` come through :meth:`take`. The session is clean: what
    is not acknowledged is sent again by the gateways, who wait for receipts.

    Raises:
        ConfigError: a password's or certificate's file is missing or not usable.
    """

    def __init__(self, config: BrokerConfig, filters: Sequence[str]) -> None:
        self._config = config
        self._filters = tuple(filters)
        self._queue: queue.Queue[Received] = queue.Queue(QUEUE_MESSAGES)
        self._stopped = threading.Event()
        self._connection = 0
        self._client = self._make_client()

    def _make_client(self) -> paho.Client:
        config = self._config
        client = paho.Client(
            CallbackAPIVersion.VERSION2, config.client_id, manual_ack=True
        )
        if config.username is not None and config.password_file is not None:
            secret = read_secret(Path(config.password_file))
            client.username_pw_set(config.username, secret)
        if config.ca_file is not None:
            _set_tls(client, config)
        client.reconnect_delay_set(_RETRY_MIN_S, _RETRY_MAX_S)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        return client

    def start(self) -> None:
        """Begin to connect; returns at once, whether or not there is a broker."""
        self._client.connect_async(self._config.host, self._config.port, _KEEPALIVE_S)
        self._client.loop_start()

    def stop(self) -> None:
        """Disconnect and end the network thread."""
        self._stopped.set()
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def is_connected(self) -> bool:
        """True while the broker answers."""
        return self._client.is_connected()

    def take(self, limit: int, wait_s: float) -> list[Received]:
        """Return up to ``limit`` messages; waits ``wait_s`` for the first."""
        taken = []
        try:
            taken.append(self._queue.get(timeout=wait_s))
            while len(taken) < limit:
                taken.append(self._queue.get_nowait())
        except queue.Empty:
            pass
        return taken

    def acknowledge(self, message: Received) -> None:
        """Send the PUBACK of a message that is durable."""
        if message.connection == self._connection and message.number:
            self._client.ack(message.number, 1)

    def publish(self, topic: str, payload: bytes) -> bool:
        """Send a message at QoS 1, not retained; false without a connection."""
        if not self.is_connected:
            return False
        sent = self._client.publish(topic, payload, qos=1)
        return sent.rc == paho.MQTT_ERR_SUCCESS

    def _on_connect(self, client: paho.Client, *details: Any) -> None:  # noqa: ANN401 - paho's
        reason = details[2]
        if reason.is_failure:
            _log.warning("mqtt=refused reason=%s", reason)
            return
        self._connection += 1
        client.subscribe([(one, 1) for one in self._filters])
        _log.info(
            "mqtt=connected host=%s port=%d", self._config.host, self._config.port
        )

    def _on_disconnect(self, _client: paho.Client, *details: Any) -> None:  # noqa: ANN401 - paho's
        _log.warning("mqtt=disconnected reason=%s", details[2])

    def _on_message(
        self, _client: paho.Client, _user: object, message: paho.MQTTMessage
    ) -> None:
        number = message.mid if message.qos else 0
        # Longer ones are refused for their size; no need to hold all of them.
        payload = bytes(message.payload[: MAX_MESSAGE_BYTES + 1])
        received = Received(message.topic, payload, number, self._connection)
        while not self._stopped.is_set():
            try:
                return self._queue.put(received, timeout=_WAIT_S)
            except queue.Full:
                continue
        return None


def _set_tls(client: paho.Client, config: BrokerConfig) -> None:
    try:
        client.tls_set(config.ca_file, config.certificate_file, config.key_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"broker.ca_file, certificate_file, key_file: {error}; "
            "give PEM files that this user can read"
        ) from error
