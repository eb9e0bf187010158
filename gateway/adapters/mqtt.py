"""MQTT by aiomqtt: one connection, no reconnect inside, one error outside.

Whatever happens, nothing of a connection is left: a broker that hangs is given
:data:`GOODBYE_S` to take the farewell, then the socket is shut down; an attempt to
connect that is given up in the middle is ended as soon as its thread returns.

Source: aiomqtt is the present name of asyncio-mqtt (renamed at version 1).
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self, TypeVar

import aiomqtt

from gateway.adapters.tls import ReadTime, TimeBounds, TlsFiles, tls_context
from gateway.errors import BrokerLostError
from gateway.ports import BrokerMessage

GOODBYE_S: Final = 1.0
# Receipts and commands are taken as they come; this many wait only in a flood.
MAX_WAITING: Final = 256

T = TypeVar("T")

# What it has to say is in the errors; a line for each broken socket is noise.
_QUIET: Final = logging.getLogger(f"{__name__}.paho")
_QUIET.setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """How to reach a broker; MQTT 3.1.1, clean session, QoS 1.

    ``read_time`` says what is known of UTC when a certificate is judged; without it
    only that a certificate may not have ended in 1970.
    """

    host: str
    client_id: str
    port: int = 1883
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: TlsFiles | None = None
    read_time: ReadTime | None = None
    keepalive_s: int = 20
    timeout_s: float = 10.0


class _Client(aiomqtt.Client):
    def abandon(self) -> None:
        """End the connection without asking anybody; its reader then cleans up."""
        line = self._client.socket()
        if isinstance(line, socket.socket):
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)


class MqttBroker:
    """A connection to an MQTT broker, open inside ``async with``.

    Raises:
        ConfigError: the TLS files cannot be used.
    """

    def __init__(self, settings: MqttSettings) -> None:
        self._client = _Client(
            settings.host,
            settings.port,
            username=settings.username,
            password=settings.password,
            identifier=settings.client_id,
            protocol=aiomqtt.ProtocolVersion.V311,
            clean_session=True,
            timeout=settings.timeout_s,
            keepalive=settings.keepalive_s,
            max_queued_incoming_messages=MAX_WAITING,
            logger=_QUIET,
            tls_context=self._tls_context(settings),
        )

    @staticmethod
    def _tls_context(settings: MqttSettings) -> ssl.SSLContext | None:
        if settings.tls is None:
            return None
        return tls_context(settings.tls, settings.read_time or _nothing_known)

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            BrokerLostError: the broker cannot be reached or refuses.
        """
        # aiomqtt connects in a thread that cannot be cancelled.
        connecting = asyncio.ensure_future(self._client.__aenter__())
        try:
            await asyncio.shield(connecting)
        except (aiomqtt.MqttError, OSError) as error:
            self._client.abandon()
            raise BrokerLostError(f"no connection to the broker: {error}") from error
        except asyncio.CancelledError:
            self._client.abandon()
            connecting.add_done_callback(self._abandon)
            raise
        return self

    def _abandon(self, connecting: asyncio.Future[_Client]) -> None:
        self._client.abandon()
        if not connecting.cancelled():
            connecting.exception()  # of no interest any more

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Disconnect; that the broker has gone meanwhile is of no interest."""
        self._client.timeout = min(self._client.timeout, GOODBYE_S)
        try:
            await self._client.__aexit__(kind, error, trace)
        except (aiomqtt.MqttError, OSError) as lost:
            if error is None:
                raise BrokerLostError(f"connection lost: {lost}") from lost
        finally:
            self._client.abandon()

    async def subscribe(self, topic: str) -> None:
        """Ask for the messages of a topic, QoS 1.

        Raises:
            BrokerLostError: the connection is gone or the broker refused.
        """
        try:
            granted = await _cancellable(self._client.subscribe(topic, qos=1))
        except (aiomqtt.MqttError, OSError) as error:
            raise BrokerLostError(f"subscribing {topic}: {error}") from error
        if any(_code(one) >= 0x80 for one in granted):
            raise BrokerLostError(f"the broker refuses the subscription to {topic}")

    async def publish(self, topic: str, payload: bytes) -> None:
        """Hand a message to the broker, QoS 1, and wait for its PUBACK.

        Raises:
            BrokerLostError: the broker did not take it in time.
        """
        try:
            await _cancellable(self._client.publish(topic, payload, qos=1))
        except (aiomqtt.MqttError, OSError) as error:
            raise BrokerLostError(f"publishing to {topic}: {error}") from error

    async def messages(self) -> AsyncIterator[BrokerMessage]:
        """Yield what arrives, as long as the connection lasts.

        Raises:
            BrokerLostError: the connection is gone.
        """
        try:
            async for message in self._client.messages:
                if isinstance(message.payload, bytes):
                    yield BrokerMessage(message.topic.value, message.payload)
        except (aiomqtt.MqttError, OSError) as error:
            raise BrokerLostError(f"connection lost: {error}") from error


def _nothing_known() -> TimeBounds:
    return TimeBounds(0, None)


async def _cancellable(call: Awaitable[T]) -> T:
    """Await a call of the client; a cancellation always ends it.

    Before Python 3.12 ``asyncio.wait_for``, which the client uses, returns its result
    when that comes together with a cancellation, and forgets the cancellation: radio
    silence would wait for ever for the end of a session that goes on.
    """
    result = await call
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
    return result


def _code(granted: object) -> int:
    value = getattr(granted, "value", granted)
    return value if isinstance(value, int) else 0
