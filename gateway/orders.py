"""Commands from the cloud: checked, carried out once, answered by a record.

A command is taken when its seal is by a pinned cloud key, it is for this gateway,
its counter is higher than the last one taken, and it has not expired (judged only
when UTC is known). Anything else is refused with the reason. What must outlive a
power cut - the last command and the shipment that is followed - is written to one
small file before the command is answered. The cloud repeats a command until it has
the answer: a repetition of the last one is carried out again after a restart, and
passed over while its answer is on its way, and once it has expired.

A command is answered as refused once, and only if it could have been taken: one for
another gateway, one whose counter was taken before and a repetition of a refused one
have no effect at all, so that replayed commands cannot fill the outbox.
"""

import os
from collections import deque
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from gateway.errors import ConfigError
from schemas.commands import (
    VERSION,
    Assign,
    Command,
    Release,
    command_aad,
    read_command,
)
from schemas.contents import Contents, check_contents, check_gain
from schemas.envelope import SealCheck, check, digest, open_envelope
from schemas.errors import ContractError, MalformedError
from schemas.keys import KeyRegistry, OwnerKind, PublicKey
from schemas.nuclides import nuclide
from schemas.records import Fingerprint
from schemas.units import NS_PER_S

_NAME: Final = "orders.json"
_REFUSALS_KEPT: Final = 64
# A reference instant further ahead is a slip of the pen, and 2^1024 is no number.
_HALF_LIVES_AHEAD: Final = 100


class _Kept(msgspec.Struct, frozen=True):
    counter: int = 0
    digest: bytes | None = None
    is_loaded: bool = False
    assign: bytes | None = None
    loaded: Fingerprint | None = None


class Refused(NamedTuple):
    """Why a command is not carried out; with its counter if that is to be stated."""

    reason: str
    counter: int | None = None


class Repeated(NamedTuple):
    """A command again whose answer is on its way, or that is long done."""

    counter: int


class Taken(NamedTuple):
    """A command to carry out, with the bytes it came as."""

    command: Command
    sealed: bytes


class Orders:
    """The commands that this gateway has taken.

    Raises:
        ConfigError: the file of orders is there and cannot be read.
    """

    def __init__(
        self, directory: Path, gateway: str, keys: KeyRegistry, container_digest: bytes
    ) -> None:
        self._path = directory / _NAME
        self._gateway = gateway
        self._keys = keys
        self._container_digest = container_digest
        self._kept = self._load()
        self._is_answered = False
        self._refused: deque[bytes] = deque(maxlen=_REFUSALS_KEPT)

    @property
    def counter(self) -> int:
        """Counter of the last command taken."""
        return self._kept.counter

    def refuse_up_to(self, counter: int) -> None:
        """Refuse all commands up to a counter that another store remembers.

        So a damaged file of orders does not make old commands new again.
        """
        if counter > self._kept.counter:
            self._kept = msgspec.structs.replace(self._kept, counter=counter)

    @property
    def is_loaded(self) -> bool:
        """Whether the vial's fingerprint was taken."""
        return self._kept.is_loaded

    @property
    def loaded(self) -> Fingerprint | None:
        """The vial's fingerprint, once it was taken."""
        return self._kept.loaded

    @property
    def assigned_by(self) -> int:
        """Counter of the command that assigned the shipment, 0 without one."""
        if self._kept.assign is None:
            return 0
        return read_command(open_envelope(self._kept.assign).payload).header.counter

    def assignment(self) -> Assign | None:
        """Return the assignment that is followed, also after a power cut."""
        if self._kept.assign is None:
            return None
        return _read_assign(self._kept.assign)

    def take(self, sealed: bytes, utc_ns: int | None) -> Taken | Repeated | Refused:
        """Check a command and say what becomes of it."""
        try:
            envelope = open_envelope(sealed)
            command = read_command(envelope.payload)
        except ContractError as error:
            return Refused(f"not a command: {error}")
        key = self._keys.find(envelope.kid)
        if key is None or key.kind is not OwnerKind.CLOUD:
            return Refused("signed by no pinned cloud key")
        if not _is_in_force(key, utc_ns):
            return Refused("signed by a key that is not in force")
        aad = command_aad(command.header.version, command.header.gateway)
        if check(envelope, key, aad) is not SealCheck.GOOD:
            return Refused("the seal is wrong")
        return self._judge(Taken(command, sealed), utc_ns)

    def _judge(self, taken: Taken, utc_ns: int | None) -> Taken | Repeated | Refused:
        header, name = taken.command.header, digest(taken.sealed)
        if name == self._kept.digest:
            return self._again(taken, utc_ns)
        if header.gateway != self._gateway:
            return Refused(f"for another gateway: {header.gateway}")
        if header.counter <= self._kept.counter:
            last = self._kept.counter
            return Refused(f"counter {header.counter} was taken, last is {last}")
        reason = self._why_refused(taken.command, utc_ns)
        if reason is None:
            return taken
        if name in self._refused:
            return Repeated(header.counter)
        self._refused.append(name)
        return Refused(reason, header.counter)

    def _again(self, taken: Taken, utc_ns: int | None) -> Taken | Repeated:
        if self._is_answered or _is_expired(taken.command, utc_ns):
            return Repeated(taken.command.header.counter)
        self._is_answered = True
        return taken

    def _why_refused(self, command: Command, utc_ns: int | None) -> str | None:
        if command.header.version != VERSION:
            return f"of version {command.header.version}, this one takes {VERSION}"
        if _is_expired(command, utc_ns):
            return "expired"
        if isinstance(command.body, Assign):
            return self._why_not_assigned(command.body, command.header.expires_ns)
        if isinstance(command.body, Release):
            followed = self.assignment()
            if followed is not None and followed.shipment != command.body.shipment:
                return f"{command.body.shipment} is not followed: {followed.shipment}"
        return None

    def _why_not_assigned(self, assign: Assign, expires_ns: int) -> str | None:
        try:
            check_contents(assign.contents)
            for vial in assign.contents:
                _check_vial(vial, expires_ns)
                if assign.gain is not None:
                    check_gain(assign.gain, vial.nuclide)
        except ContractError as error:
            return str(error)
        if assign.container_digest != self._container_digest:
            return "made for another container model"
        return None

    def keep(self, taken: Taken) -> None:
        """Remember a command, and the shipment that is followed because of it.

        Raises:
            OSError: it is not on the disk, and is not taken.
        """
        kept = msgspec.structs.replace(
            self._kept,
            counter=taken.command.header.counter,
            digest=digest(taken.sealed),
        )
        if isinstance(taken.command.body, Assign):
            kept = msgspec.structs.replace(
                kept, assign=taken.sealed, is_loaded=False, loaded=None
            )
        elif isinstance(taken.command.body, Release):
            kept = msgspec.structs.replace(
                kept, assign=None, is_loaded=False, loaded=None
            )
        self._keep(kept)
        self._is_answered = True

    def keep_loaded(self, loaded: Fingerprint) -> None:
        """Remember that the vial is in place; without a shipment there is none."""
        if self._kept.assign is None:
            return
        self._keep(msgspec.structs.replace(self._kept, is_loaded=True, loaded=loaded))

    def _load(self) -> _Kept:
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=_Kept)
            if kept.assign is not None:
                _read_assign(kept.assign)
        except FileNotFoundError:
            return _Kept()
        except (msgspec.MsgspecError, UnicodeDecodeError, ContractError):
            # A half-written file cannot be: it is renamed into place. A damaged one
            # is kept aside; the cloud repeats what was not answered.
            self._path.rename(self._path.with_suffix(".damaged"))
            return _Kept()
        except OSError as error:
            raise ConfigError(
                f"{self._path}: {error.strerror or error}; give the gateway's user "
                "the files of its directory"
            ) from error
        return kept

    def _keep(self, kept: _Kept) -> None:
        partial = self._path.with_suffix(".part")
        with partial.open("wb") as file:
            file.write(msgspec.json.encode(kept))
            file.flush()
            os.fdatasync(file.fileno())
        partial.rename(self._path)
        directory = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        # Last: what could not be written was not taken, and is taken when repeated.
        self._kept = kept


def _read_assign(sealed: bytes) -> Assign | None:
    body = read_command(open_envelope(sealed).payload).body
    return body if isinstance(body, Assign) else None


def _is_in_force(key: PublicKey, utc_ns: int | None) -> bool:
    if utc_ns is None:
        return True
    is_early = key.from_ns is not None and utc_ns < key.from_ns
    return not is_early and (key.to_ns is None or utc_ns <= key.to_ns)


def _is_expired(command: Command, utc_ns: int | None) -> bool:
    return utc_ns is not None and command.header.expires_ns < utc_ns


def _check_vial(vial: Contents, expires_ns: int) -> None:
    """Refuse what an estimate could not be made of, minute after minute."""
    main = nuclide(vial.nuclide)
    names = [vial.nuclide]
    for impurity in vial.impurities:
        nuclide(impurity.nuclide)
        names.append(impurity.nuclide)
        if not (impurity.activity_ratio > 0 and impurity.activity_ratio_u >= 0):
            what = f"impurity {impurity.nuclide} of vial {vial.vial}"
            raise MalformedError(f"activity_ratio of {what} is not positive")
    if len(set(names)) != len(names):
        raise MalformedError(f"vial {vial.vial} names a nuclide twice: {names}")
    ahead_s = (vial.reference_at_ns - expires_ns) / NS_PER_S
    if ahead_s > _HALF_LIVES_AHEAD * main.half_life_s:
        raise MalformedError(
            f"reference_at_ns of vial {vial.vial} is far in the future"
        )
