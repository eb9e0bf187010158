"""Keys and secrets in files: private keys, the registry, passwords and tokens.

A private key is one line, the algorithm's name and the key in hexadecimal, in a
file that only its user can read::

    EdDSA <64 hexadecimal digits>
    ES256 <64 hexadecimal digits>

A file of exactly 32 bytes is taken as a raw Ed25519 key.
"""

import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cloud.errors import ConfigError
from schemas.errors import ContractError
from schemas.keys import (
    Algorithm,
    Ed25519Signer,
    Es256Signer,
    KeyRegistry,
    PublicKey,
)

KEY_BYTES: Final = 32
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO

FileSigner = Ed25519Signer | Es256Signer


def load_signer(path: Path) -> FileSigner:
    """Return a signer with the key in ``path``.

    Raises:
        ConfigError: the file cannot be read, is open to others, or holds no key.
    """
    data = _read_private(path)
    try:
        if len(data) == KEY_BYTES:
            return Ed25519Signer(data)
        word, _, digits = data.decode("ascii").strip().partition(" ")
        return _signer(Algorithm(word), bytes.fromhex(digits))
    except ValueError as error:
        raise ConfigError(
            f"{path}: no key: one line such as 'EdDSA <64 hexadecimal digits>', "
            "see dosetrail-cloud keys new"
        ) from error


def _signer(algorithm: Algorithm, key: bytes) -> FileSigner:
    return Ed25519Signer(key) if algorithm is Algorithm.EDDSA else Es256Signer(key)


def make_key(path: Path, algorithm: Algorithm = Algorithm.EDDSA) -> FileSigner:
    """Draw a new key into a file that does not exist yet; return its signer.

    Raises:
        ConfigError: the file exists or cannot be written.
    """
    key = secrets.token_bytes(KEY_BYTES)
    signer = _signer(algorithm, key)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{algorithm} {key.hex()}\n")
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot write a new key: {error.strerror}; give another FILE"
        ) from error
    return signer


def read_secret(path: Path) -> str:
    """Return the first line of a file of a password or token.

    Raises:
        ConfigError: the file cannot be read, is open to others, or is empty.
    """
    text = _read_private(path).decode("utf-8", "replace").partition("\n")[0].strip()
    if not text:
        raise ConfigError(f"{path}: empty; write the secret into its first line")
    return text


def _read_private(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot read it: {error.strerror}") from error
    if mode & _OTHERS:
        raise ConfigError(f"{path}: open to others: chmod 600 {path}")
    return data


def load_registry(path: Path) -> KeyRegistry:
    """Return the registry of public keys in ``path``.

    Raises:
        ConfigError: the file cannot be read or breaks its schema.
    """
    try:
        return KeyRegistry.from_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot read the key registry: {error.strerror}; "
            "make one with dosetrail-cloud keys add"
        ) from error
    except ContractError as error:
        raise ConfigError(f"{path}: {error}") from error


def add_key(path: Path, key: PublicKey) -> KeyRegistry:
    """Add a key to the registry in ``path``, making the file if there is none.

    A key that is there already with the same kid is replaced: so its validity is
    changed. Readers see the old file or the new one, never half of one.

    Raises:
        ConfigError: the file cannot be read or written.
        ContractError: the key is dangerous.
    """
    with _locked(path):
        keys = load_registry(path).keys if path.exists() else ()
        others = tuple(one for one in keys if one.kid != key.kid)
        registry = KeyRegistry((*others, key))
        _replace(path, registry.to_json())
    return registry


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock that writers of a registry take."""
    lock = path.with_name(path.name + ".lock")
    try:
        file = lock.open("w")
    except OSError as error:
        raise ConfigError(f"{lock}: cannot write it: {error.strerror}") from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _replace(path: Path, data: bytes) -> None:
    new = path.with_name(path.name + ".new")
    try:
        with new.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot write it: {error.strerror}") from error


class RegistryFile:
    """The registry as its file says now: a revoked key ends without a restart."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._registry = load_registry(path)
        self.current()

    def current(self) -> KeyRegistry:
        """Return the registry, read again if its file has changed.

        Raises:
            ConfigError: the file is gone or broken.
        """
        try:
            found = self._path.stat()
        except OSError as error:
            raise ConfigError(f"{self._path}: {error.strerror}") from error
        stamp = (found.st_mtime_ns, found.st_ino)
        if stamp != self._stamp:
            self._registry = load_registry(self._path)
            self._stamp = stamp
        return self._registry
