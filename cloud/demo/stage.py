"""The folder of one run: keys, registry, configurations, free ports."""

import errno
import fcntl
import hashlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cloud.adapters.key_file import FileSigner, make_key
from cloud.demo.programs import ProgramError
from schemas.keys import Algorithm, KeyRegistry, OwnerKind, PublicKey

GATEWAY: Final = "gw-ivrea-07"
CLOUD: Final = "dosetrail-cloud"
PEOPLE: Final = (
    "order-desk",
    "producer",
    "courier-road-a",
    "airline-handling",
    "courier-road-b",
    "centre",
)
_FIRST_WEB_PORT: Final = 8800
_KEPT_RUNS: Final = 5
# Held while a run goes on, so that no other run takes its folder away.
_LOCK: Final = "run.lock"


@dataclass(frozen=True, slots=True)
class Stage:
    """Where everything of one run is."""

    directory: Path
    broker_port: int
    web_port: int
    operator_token: str
    people: dict[str, FileSigner]

    @property
    def address(self) -> str:
        """Address of the live page."""
        return f"http://127.0.0.1:{self.web_port}/"

    @property
    def cloud_config(self) -> Path:
        """Configuration of the cloud's programs."""
        return self.directory / "cloud.toml"

    @property
    def gateway_config(self) -> Path:
        """Configuration of the gateway."""
        return self.directory / "gateway.toml"

    @property
    def container(self) -> Path:
        """The container model that gateway and consignment name."""
        return container_path()


def project_root() -> Path:
    """Return the checkout that this package runs from."""
    return Path(__file__).resolve().parents[2]


def kernel_cache() -> Path:
    """Return the folder in which the gateways of all runs keep compiled kernels."""
    return project_root() / "var" / "numba-cache"


def compile_kernels() -> None:
    """Compile what a gateway would compile before its first reading.

    Raises:
        ProgramError: it could not.
    """
    command = [sys.executable, "-m", "gateway", "warm-up"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ProgramError(f"the kernels do not compile: {done.stderr.strip()}")


def container_path() -> Path:
    """Return the default container model."""
    return project_root() / "hw" / "containers" / "overpack-10mm.toml"


def packing() -> tuple[str, str, bytes]:
    """Return gateway, container and the container model's digest, as packed."""
    path = container_path()
    return GATEWAY, path.stem, hashlib.sha256(path.read_bytes()).digest()


def new_directory(base: Path) -> Path:
    """Make the folder of the next run below ``base``.

    The last five are kept, and the last five with an exported history; older ones are
    removed unless a run is still using them.

    Raises:
        ProgramError: this user cannot write there.
    """
    try:
        base.mkdir(parents=True, exist_ok=True)
        numbers = sorted(int(p.name) for p in base.iterdir() if p.name.isdigit())
        directory = _next_directory(base, (numbers[-1] if numbers else 0) + 1)
    except OSError as error:
        raise ProgramError(
            f"{base}: {error.strerror}; make it writable, or give --directory FOLDER"
        ) from error
    runs = [base / f"{number:04d}" for number in numbers]
    finished = {run for run in runs if any(run.glob("*.dosetrail"))}
    for run in [run for run in runs if run not in finished][: -(_KEPT_RUNS - 1)]:
        _remove_unused(run)
    for run in [run for run in runs if run in finished][:-_KEPT_RUNS]:
        _remove_unused(run)
    return directory


def _next_directory(base: Path, number: int) -> Path:
    while True:
        directory = base / f"{number:04d}"
        try:
            directory.mkdir()
        except FileExistsError:  # another run was started at the same moment
            number += 1
        else:
            return directory


def _remove_unused(directory: Path) -> None:
    if (lock := _lock(directory)) is not None:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(lock)


def _lock(directory: Path) -> int | None:
    """Return the open lock of a run's folder; None where it is held or forbidden."""
    try:
        lock = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock


def claim(directory: Path) -> int:
    """Make a new or empty folder this process's own; return the lock that it holds.

    Raises:
        ProgramError: it cannot be made or written, or there is something in it.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        found = sorted(path.name for path in directory.iterdir())
    except OSError as error:
        raise ProgramError(
            f"--directory {directory}: {error.strerror}; "
            "name a folder that this user may write to"
        ) from error
    if found:
        raise ProgramError(
            f"--directory {directory}: not empty, it holds {found[0]}; "
            "name a new folder, no run writes over another"
        )
    if (lock := _lock(directory)) is None:
        raise ProgramError(
            f"--directory {directory}: cannot write to it; name a folder of your own"
        )
    return lock


def free_port(wanted: int | None = None) -> int:
    """Return a free TCP port of this machine, the wanted one if one is named.

    Raises:
        ProgramError: the wanted port is taken.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted or 0))
        except OSError as error:
            reason = (
                "is taken: stop what uses it, or give another --port"
                if error.errno == errno.EADDRINUSE
                else "is not for this user: give a --port of 1024 or above"
            )
            raise ProgramError(f"port {wanted} {reason}") from error
        port: int = probe.getsockname()[1]
        return port


def web_port(wanted: int | None = None) -> int:
    """Return the port of the pages: the wanted one, or the first free one of ours.

    It is reserved against other runs of this machine until this process ends: between
    the look and the server's start another run would find it free as well.

    Raises:
        ProgramError: the wanted port is taken.
    """
    ports = range(_FIRST_WEB_PORT, _FIRST_WEB_PORT + 50) if wanted is None else [wanted]
    for port in ports:
        try:
            free_port(port)
        except ProgramError:
            if port == wanted:
                raise
        else:
            if _reserve(port):
                return port
    if wanted is not None:
        raise ProgramError(
            f"port {wanted} is taken by another run: give another --port"
        )
    return free_port()


def _reserve(port: int) -> bool:
    # An abstract address: no file, one holder, free again when the process is gone.
    mark = socket.socket(socket.AF_UNIX)
    try:
        mark.bind(f"\0dosetrail-port-{port}")
    except OSError:
        mark.close()
        return False
    mark.detach()
    return True


def set_up(directory: Path, port: int | None, *, with_dose: bool) -> Stage:
    """Make keys, registry and configurations in ``directory``.

    Raises:
        ProgramError: the gateway's key could not be made, the port is taken, or this
            is no checkout.
    """
    if not container_path().is_file():
        raise ProgramError(
            f"{container_path()}: not there; the demo runs from a checkout of dosetrail"
        )
    stage = Stage(
        directory=directory,
        broker_port=free_port(),
        web_port=web_port(port),
        operator_token=secrets.token_urlsafe(24),
        people={
            name: make_key(directory / f"{name}.key", Algorithm.ES256)
            for name in PEOPLE
        },
    )
    cloud_key = make_key(directory / "cloud.key")
    keys = [
        PublicKey(CLOUD, OwnerKind.CLOUD, Algorithm.EDDSA, cloud_key.public_key),
        PublicKey(GATEWAY, OwnerKind.GATEWAY, Algorithm.EDDSA, _gateway_key(directory)),
        *(
            PublicKey(name, OwnerKind.PERSON, signer.algorithm, signer.public_key)
            for name, signer in stage.people.items()
        ),
    ]
    (directory / "keys.json").write_bytes(KeyRegistry(tuple(keys)).to_json())
    token = directory / "operator.token"
    token.touch(mode=0o600)
    token.write_text(stage.operator_token)
    gateway = _gateway_toml(stage, with_dose=with_dose)
    stage.cloud_config.write_text(_cloud_toml(stage), encoding="utf-8")
    stage.gateway_config.write_text(gateway, encoding="utf-8")
    return stage


def _gateway_key(directory: Path) -> bytes:
    command = [sys.executable, "-m", "gateway", "key", str(directory / "gateway.key")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    word, _, digits = done.stdout.strip().partition(" ")
    if done.returncode != 0 or word != Algorithm.EDDSA:
        raise ProgramError(f"the gateway made no key: {done.stderr.strip()}")
    return bytes.fromhex(digits)


def _cloud_toml(stage: Stage) -> str:
    return f"""\
[broker]
port = {stage.broker_port}

[ledger]
url = "sqlite:///ledger.sqlite"

[series]
path = "series.sqlite"

[keys]
registry = "keys.json"
cloud_key = "cloud.key"

[ingest]
receipt_interval_s = 0.25
resend_after_s = 10.0
command_interval_s = 1.0

[web]
port = {stage.web_port}
operator_token_file = "operator.token"

[clock]
simulated = "lines/clock"
"""


def add_webhook(stage: Stage, url: str) -> None:
    """Configure one receiver of everything, with a secret of its own."""
    secret = stage.directory / "webhook.secret"
    secret.touch(mode=0o600)
    secret.write_text(secrets.token_urlsafe(24))
    with stage.cloud_config.open("a", encoding="utf-8") as configuration:
        configuration.write(
            f'\n[[notify.webhooks]]\nname = "demo"\nurl = {json.dumps(url)}\n'
            'secret_file = "webhook.secret"\n'
        )


def _gateway_toml(stage: Stage, *, with_dose: bool) -> str:
    # The receivers of a replay state dates of years ago: kept, never a clock source.
    gps_sets_clock = json.dumps(not with_dose)
    text = f"""\
gateway = "{GATEWAY}"
directory = "gateway"
container = {json.dumps(str(stage.container), ensure_ascii=False)}
key = "gateway.key"
cloud_keys = "keys.json"

[broker]
host = "127.0.0.1"
port = {stage.broker_port}

[clock]
simulated = "lines/clock"
gps_sets_clock = {gps_sets_clock}

[[ports]]
name = "board"
path = "lines/board"
protocol = "board"

[[ports]]
name = "gps"
path = "lines/gps"
protocol = "nmea"
"""
    if with_dose:
        text += (
            '\n[[ports]]\nname = "dose"\npath = "lines/dose"\nprotocol = "bgeigie"\n'
        )
    return text
