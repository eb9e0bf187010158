"""Commands of the cloud: carried out, and each answered by a record."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.orders import Orders, Refused, Repeated, Taken
from gateway.outbox import Outbox
from gateway.ports import Clock
from gateway.station import Station
from gateway.timekeeping import Timekeeper
from schemas.commands import Assign, Configure, Release, Resend, TakeFingerprint
from schemas.events import Event, EventKind, Severity
from schemas.records import Assigned, Body, Released

_log = logging.getLogger(__name__)


class State(Protocol):
    """States a body; returns its record's sequence."""

    def __call__(self, body: Body, *, is_alarm: bool = False) -> int:
        """State it."""


@dataclass(frozen=True, slots=True)
class CommandParts:
    """What a command may touch."""

    clock: Clock
    timekeeper: Timekeeper
    station: Station
    outbox: Outbox
    orders: Orders


class CommandDesk:
    """Takes commands as they come; ``resend`` asks the link for a range again."""

    def __init__(
        self, parts: CommandParts, state: State, resend: Callable[[int, int], bool]
    ) -> None:
        self._parts = parts
        self._state = state
        self._ask_link = resend
        self._last_refusal = ""

    def take(self, sealed: bytes) -> None:
        """Carry out a command, or state why not."""
        boot_ns = self._parts.clock.boot_ns()
        found = self._parts.orders.take(sealed, self._parts.timekeeper.utc_ns(boot_ns))
        match found:
            case Taken():
                self._carry_out(found, boot_ns)
            case Repeated():
                pass
            case Refused(reason=reason, counter=counter):
                self._log_refusal(reason)
                if counter is not None:
                    self._answer(EventKind.COMMAND_REFUSED, counter, boot_ns, reason)

    def _carry_out(self, taken: Taken, boot_ns: int) -> None:
        counter, body = taken.command.header.counter, taken.command.body
        try:
            self._parts.orders.keep(taken)
        except OSError as error:
            # Not taken and not answered: the cloud repeats it.
            self._log_refusal(f"cannot be remembered: {error.strerror or error}")
            return
        self._parts.outbox.remember_command(counter)
        _log.info(
            "event=command kind=%s counter=%d", taken.command.header.kind, counter
        )
        match body:
            case Assign():
                self._parts.station.follow(body, is_loaded=False)
                self._state(assigned(body, counter), is_alarm=True)
            case Release():
                self._parts.station.follow(None, is_loaded=False)
                self._state(Released(body.shipment, counter), is_alarm=True)
            case TakeFingerprint():
                self._parts.station.take_fingerprint(body, counter, boot_ns)
            case Resend():
                self._resend(body, counter, boot_ns)
            case Configure():
                reason = "this version has no setting that may change on the way"
                self._answer(EventKind.COMMAND_REFUSED, counter, boot_ns, reason)

    def _resend(self, body: Resend, counter: int, boot_ns: int) -> None:
        epoch = self._parts.outbox.epoch
        if body.epoch != epoch:
            reason = f"no records of epoch {body.epoch.hex()}; it is {epoch.hex()}"
        elif body.from_sequence > body.to_sequence:
            reason = f"no range: {body.from_sequence} to {body.to_sequence}"
        elif not self._ask_link(body.from_sequence, body.to_sequence):
            reason = "as many ranges as can be wait to be sent again"
        else:
            self._answer(EventKind.COMMAND_DONE, counter, boot_ns, "resent")
            return
        self._answer(EventKind.COMMAND_REFUSED, counter, boot_ns, reason)

    def _log_refusal(self, reason: str) -> None:
        if reason != self._last_refusal:
            self._last_refusal = reason
            _log.warning("event=command_refused reason=%r", reason)

    def _answer(self, what: EventKind, counter: int, boot_ns: int, text: str) -> None:
        is_refused = what is EventKind.COMMAND_REFUSED
        self._state(
            Event(
                what=what,
                severity=Severity.WARNING if is_refused else Severity.INFO,
                from_boot_ns=boot_ns,
                text=text,
                counter=counter,
            ),
            is_alarm=True,
        )


def assigned(assign: Assign, counter: int) -> Assigned:
    """Return the answer to ``assign``."""
    return Assigned(
        shipment=assign.shipment,
        counter=counter,
        contents=assign.contents,
        limits=assign.limits,
        container_digest=assign.container_digest,
        gain=assign.gain,
    )
