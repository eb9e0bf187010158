"""From alarms and the audit trail to what the programming interface answers."""

from cloud.alarm_rules import advice, audiences
from cloud.alarms import Alarm
from cloud.audit import Line
from cloud.watch import Contact
from cloud.web.formats import certain_text, text_of
from cloud.web.watch_messages import (
    AuditMessage,
    CallMessage,
    ChangedMessage,
    ChangeMessage,
    EventMessage,
)


def event_message(
    alarm: Alarm, shipment: str | None, call: tuple[Contact, ...]
) -> EventMessage:
    """Return an alarm as answered."""
    happened, word = alarm.happened, alarm.acknowledged
    event, is_own = happened.event, happened.fact is not None
    return EventMessage(
        name=happened.name,
        shipment=shipment,
        gateway=happened.gateway,
        epoch=None if is_own else happened.epoch.hex(),
        sequence=None if is_own else happened.sequence,
        what=event.what,
        severity=alarm.severity,
        text=event.text,
        state=alarm.state,
        exercise=happened.exercise,
        is_late=alarm.is_late,
        at=text_of(happened.at_ns),
        cleared_at=text_of(alarm.cleared_at_ns),
        received_at=certain_text(happened.received_at_ns),
        sensor=event.sensor,
        value=event.value,
        limit=event.limit,
        unit=event.unit,
        repeats=alarm.repeats,
        stage=alarm.stage,
        history=_history(alarm),
        told=tuple(audiences(event.what)),
        next_action=advice(event.what).action,
        call=tuple(
            CallMessage(who=one.who, audience=one.audience, reach=one.reach)
            for one in call
        ),
        acknowledged_by=word.author if word else None,
        remark=word.remark if word else None,
    )


def _history(alarm: Alarm) -> tuple[ChangeMessage, ...]:
    return tuple(
        ChangeMessage(
            state=change.state,
            at=certain_text(change.at_ns),
            author=change.author,
            remark=change.remark,
        )
        for change in alarm.history
    )


def audit_message(line: Line) -> AuditMessage:
    """Return a line of the audit trail as answered."""
    return AuditMessage(
        position=line.position,
        what=line.what,
        author=line.author,
        key=line.key,
        at=certain_text(line.at_ns),
        received_at=certain_text(line.received_at_ns),
        why=line.why,
        changes=tuple(
            ChangedMessage(name=one.name, before=one.before, after=one.after)
            for one in line.changes
        ),
        digest=line.digest.hex(),
        fact=_hex(line.fact),
        of_fact=_hex(line.of_fact),
        corrected_by=_hex(line.corrected_by),
    )


def _hex(value: bytes | None) -> str | None:
    return None if value is None else value.hex()
