"""The gateway's private key in a file that only its user can read.

One line: the algorithm's name and the key in hexadecimal, ``EdDSA <64 digits>``.
"""

import os
import secrets
import stat
from pathlib import Path

from gateway.errors import ConfigError
from schemas.keys import Algorithm, Ed25519Signer, Es256Signer

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def load_signer(path: Path) -> Ed25519Signer | Es256Signer:
    """Return a signer with the key in ``path``.

    Raises:
        ConfigError: the file cannot be read, is open to others, or holds no key.
    """
    try:
        mode = path.stat().st_mode
        word, _, digits = path.read_text("ascii").strip().partition(" ")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a key file"
        raise ConfigError(
            f"{path}: cannot read the key: {reason}; "
            "dosetrail-gateway key FILE makes one"
        ) from error
    if mode & _OTHERS:
        raise ConfigError(f"{path}: the key is open to others: chmod 600 {path}")
    try:
        signer = Ed25519Signer if Algorithm(word) is Algorithm.EDDSA else Es256Signer
        return signer(bytes.fromhex(digits))
    except ValueError as error:
        raise ConfigError(
            f"{path}: no key: one line such as 'EdDSA <64 hexadecimal digits>'"
        ) from error


def make_key(path: Path) -> Ed25519Signer:
    """Draw a new Ed25519 key into a file that does not exist yet; return its signer.

    Raises:
        ConfigError: the file exists or cannot be written.
    """
    key = secrets.token_bytes(32)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        reason = error.strerror or "cannot be made"
        raise ConfigError(f"{path}: cannot write a new key: {reason}") from error
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{Algorithm.EDDSA} {key.hex()}\n")
    return Ed25519Signer(key)
