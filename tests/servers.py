"""Starts the real servers that tests need, each on a free port and ended by its pid.

The servers are those that ``requirements/servers.sh`` unpacks below ``.servers/``. One
that is missing fails the test that asks for it: it is never skipped.
"""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SERVERS = ROOT / ".servers"
START_S = 20.0
HOST = "127.0.0.1"


def program(name: str) -> str:
    """The path of a server; the test fails where it is not there."""
    for folder in ("usr/bin", "usr/sbin"):
        if (found := SERVERS / folder / name).exists():
            return str(found)
    pytest.fail(f"{name} is not in {SERVERS}: run requirements/servers.sh")


def libraries() -> dict[str, str]:
    """The environment in which the servers find their libraries."""
    folders = ":".join(str(f) for f in SERVERS.glob("usr/lib/*-linux-gnu*"))
    return os.environ | {"LD_LIBRARY_PATH": folders}


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A server program in a folder of its own, which outlives its process."""

    def __init__(self, folder: Path, command: list[str], port: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = port
        self.log = folder / "log"
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, env=libraries()
            )
        deadline_s = time.monotonic() + START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                pytest.fail(f"{self._command[0]}: {self.log.read_text()[-2000:]}")
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            with socket.create_connection((HOST, self.port), 1.0):
                return True
        except OSError:
            return False

    def kill(self) -> None:
        """End it as a power cut of its process would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it as it should be ended."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def get(self, path: str) -> bytes:
        """The body of an answer."""
        address = f"{self.url}{path}"
        with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310
            body: bytes = answer.read()
            return body

    def post(self, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Status and body of the answer to a body."""
        request = urllib.request.Request(  # noqa: S310 - of this class
            f"{self.url}{path}", body, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def query(self, text: str) -> bytes:
        """The answer of an InfluxDB to a statement; it must be none of failure."""
        status, body = self.post(f"/query?q={urllib.parse.quote(text)}")
        assert status == 200, body
        assert b'"error"' not in body, body
        return body


_INFLUXD = """\
reporting-disabled = true
bind-address = "127.0.0.1:{rpc_port}"
[meta]
dir = "{data}/meta"
[data]
dir = "{data}/data"
wal-dir = "{data}/wal"
query-log-enabled = false
[coordinator]
write-timeout = "2s"
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
auth-enabled = {auth}
max-body-size = {body_bytes}
[monitor]
store-enabled = false
"""


def influxd(
    folder: Path,
    *,
    data: Path | None = None,
    auth: bool = False,
    body_bytes: int = 25_000_000,
) -> Server:
    """An InfluxDB 1.6.7, not started; ``data`` is where it keeps everything."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "influxd.conf"
    configuration.write_text(
        _INFLUXD.format(
            port=port,
            rpc_port=free_port(),
            data=data or folder / "data",
            auth=str(auth).lower(),
            body_bytes=body_bytes,
        )
    )
    return Server(folder, [program("influxd"), "-config", str(configuration)], port)


def victoria_metrics(folder: Path) -> Server:
    """A VictoriaMetrics, not started: it takes the native writes of the client."""
    port = free_port()
    options = [
        f"-httpListenAddr={HOST}:{port}",
        f"-storageDataPath={folder / 'data'}",
        "-retentionPeriod=100y",
        "-search.latencyOffset=0s",
    ]
    return Server(folder, [program("victoria-metrics"), *options], port)


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """Start a server, and end it whatever happens."""
    server.start()
    try:
        yield server
    finally:
        server.stop()
