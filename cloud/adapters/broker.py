"""The embedded broker: amqtt in this process, for one machine without a server.

It speaks MQTT 3.1.1 to anyone who can connect, so it listens on this machine only.
It may lose messages: nothing is deleted anywhere before a signed receipt.
"""

import asyncio
import logging
import signal
import warnings
from typing import Any, Final

from amqtt.broker import Broker
from amqtt.errors import BrokerError

from cloud.config import BrokerConfig
from cloud.errors import ConfigError

_log: Final = logging.getLogger(__name__)
_NOISY: Final = ("amqtt", "transitions", "passlib")


def run_broker(config: BrokerConfig) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        ConfigError: the address is not of this machine only, or is taken.
    """
    if not config.is_loopback:
        raise ConfigError(
            f"broker.host {config.host}: the embedded broker lets everyone in and "
            "serves this machine only (127.0.0.1); beyond it, run mosquitto with TLS"
        )
    warnings.simplefilter("ignore")
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    asyncio.run(_serve(config))


def _settings(config: BrokerConfig) -> dict[str, Any]:
    return {
        "listeners": {
            "default": {"type": "tcp", "bind": f"{config.host}:{config.port}"}
        },
        "timeout_disconnect_delay": 2,
        "plugins": {
            "amqtt.plugins.authentication.AnonymousAuthPlugin": {
                "allow_anonymous": True
            }
        },
    }


async def _serve(config: BrokerConfig) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    broker = Broker(_settings(config), loop=loop)
    try:
        await broker.start()
    except (BrokerError, OSError) as error:
        raise ConfigError(
            f"broker.port {config.port}: cannot listen on {config.host}: {error}; "
            "give a free port"
        ) from error
    _log.info("broker=listening host=%s port=%d", config.host, config.port)
    await ended.wait()
    await broker.shutdown()
    _log.info("broker=ended")
