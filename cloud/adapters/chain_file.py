"""Where an author's chain ends, in a small file next to the key.

::

    {"author": "centre", "kid": "<16 hexadecimal digits>",
     "sequence": 3, "previous": "<64 hexadecimal digits>"}

A fact is written in this order, so that no place of a chain is ever used twice and
no fact is lost: the sealed bytes under ``OUT.new``, the chain's new end, the rename
to ``OUT``. A crash between the last two leaves the fact in ``OUT.new``, ready to be
sent. The file is replaced whole, under a lock.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from cloud.errors import ConfigError
from cloud.signing import Author, ChainEnd
from schemas.envelope import ZERO_DIGEST, digest
from schemas.facts import FactBody

_Hex32 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
_REMEDY: Final = "give the chain of this key with --chain, or draw a new key"


class _State(Struct, frozen=True, forbid_unknown_fields=True):
    author: str
    kid: str
    sequence: Annotated[int, Meta(ge=1)]
    previous: _Hex32


def chain_path(key: Path) -> Path:
    """Return the usual place of a key's chain."""
    return key.with_name(f"{key.name}.chain.json")


def sign(author: Author, body: FactBody, utc_ns: int, chain: Path) -> bytes:
    """Return a signed fact, when its place in the chain is taken for good.

    Raises:
        ConfigError: a file cannot be read or written, or the chain is that of
            another author or key; nothing was signed.
        MalformedError: a value has no form, or the fact is too large.
    """
    with _locked(chain):
        sealed, new = author.say(body, utc_ns, read_end(chain, author))
        _move_on(chain, author, new)
    return sealed


def sign_to_file(
    author: Author, body: FactBody, utc_ns: int, *, out: Path, chain: Path
) -> ChainEnd:
    """Sign a fact into a new file and move the chain on; return the chain's new end.

    Raises:
        ConfigError: ``out`` exists, a file cannot be read or written, or the chain
            is that of another author or key; nothing was signed.
        MalformedError: a value has no form, or the fact is too large.
    """
    with _locked(chain):
        if out.exists():
            raise ConfigError(f"{out}: exists; give another --out")
        end = read_end(chain, author)
        _refuse_waiting(out, end)
        sealed, new = author.say(body, utc_ns, end)
        waiting = _write(out, sealed)
        _move_on(chain, author, new)
        waiting.replace(out)
    return new


def _move_on(chain: Path, author: Author, end: ChainEnd) -> None:
    kid, previous = author.signer.kid.hex(), end.previous.hex()
    state = _State(author.name, kid, end.sequence, previous)
    _write(chain, msgspec.json.encode(state) + b"\n").replace(chain)
    _sync_folder(chain.parent)


def _refuse_waiting(out: Path, end: ChainEnd) -> None:
    """Refuse to write over a fact that is in the chain and was not finished.

    One that is not in the chain was never anybody's: its place is still free.
    """
    waiting = _beside(out)
    if waiting.is_file() and digest(waiting.read_bytes()) == end.previous:
        raise ConfigError(
            f"{waiting}: a fact that is signed and waits: rename it and send it"
        )


def read_end(chain: Path, author: Author) -> ChainEnd:
    """Return where the chain ends; at its beginning where there is no file.

    Raises:
        ConfigError: the file cannot be read, is none of ours, or is of another
            author or key.
    """
    try:
        state = msgspec.json.decode(chain.read_bytes(), type=_State)
    except FileNotFoundError:
        return ChainEnd(0, ZERO_DIGEST)
    except OSError as error:
        raise ConfigError(f"{chain}: cannot read it: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise ConfigError(f"{chain}: no chain: {error}; {_REMEDY}") from error
    if (state.author, state.kid) != (author.name, author.signer.kid.hex()):
        raise ConfigError(
            f"{chain}: the chain of {state.author} with key {state.kid}, not of "
            f"{author.name} with key {author.signer.kid.hex()}; {_REMEDY}"
        )
    return ChainEnd(state.sequence, bytes.fromhex(state.previous))


@contextmanager
def _locked(chain: Path) -> Iterator[None]:
    lock = chain.with_name(chain.name + ".lock")
    try:
        file = lock.open("w")
    except OSError as error:
        raise ConfigError(f"{lock}: cannot write it: {error.strerror}") from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _write(path: Path, data: bytes) -> Path:
    """Write and sync ``path``'s new content beside it; return where."""
    new = _beside(path)
    try:
        with new.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ConfigError(f"{path}: cannot write it: {error.strerror}") from error
    return new


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".new")


def _sync_folder(folder: Path) -> None:
    """Make renames durable: a place used twice after a power cut is refused."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
