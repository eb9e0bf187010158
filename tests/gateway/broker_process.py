"""A real amqtt broker in a process of its own, to be killed and started again."""

import socket
import subprocess
import sys
import time

CODE = """
import asyncio, sys
from amqtt.broker import Broker

async def main(port):
    broker = Broker({
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
        "plugins": {
            "amqtt.plugins.authentication.AnonymousAuthPlugin":
                {"allow_anonymous": True},
        },
    })
    await broker.start()
    await asyncio.Event().wait()

asyncio.run(main(int(sys.argv[1])))
"""


class BrokerProcess:
    """One broker on one free port of this machine."""

    def __init__(self) -> None:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port: int = found.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", CODE, str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until_s = time.monotonic() + 20
        while time.monotonic() < until_s:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise TimeoutError("the broker does not take connections")

    @property
    def pid(self) -> int:
        """The process to stop and let go on, 0 while there is none."""
        return 0 if self._process is None else self._process.pid

    def kill(self) -> None:
        """Take it away as a power cut does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
