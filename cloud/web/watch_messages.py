"""What is answered of custody, alarms, the audit trail, and of what was refused."""

from cloud.web.message import Instant, Message


class StepMessage(Message):
    """One side's word on a handover.

    ``at`` is when it happened, ``signed_at`` when it was signed. Where ``corrected_by``
    names a correction, the word does not hold any more.
    """

    fact: str
    handover: str
    at: Instant
    signed_at: Instant
    author: str
    signer: str | None
    role: str
    manner: str
    giver: str
    receiver: str
    place: str
    condition: str
    seal: str
    label_transport_index: str | None
    gateway_verdict: str | None
    air_waybill: str | None
    procedure: str | None
    lock: str | None
    photo_sha256: str | None
    document_sha256: str | None
    state: str
    flags: tuple[str, ...]
    corrected_by: str | None
    remark: str | None


class CustodyMessage(Message):
    """Who has it since when, where it is bound, and every word, oldest first."""

    holder: str | None
    since: Instant | None
    place: str | None
    is_confirmed: bool
    course: str
    destination: str | None
    is_returned: bool
    seal: str | None
    steps: tuple[StepMessage, ...]


class ChangeMessage(Message):
    """A state that an alarm came to, and who brought it there, if a person did."""

    state: str
    at: Instant
    author: str | None
    remark: str | None


class CallMessage(Message):
    """Somebody to call about an alarm."""

    who: str
    audience: str
    reach: str


class EventMessage(Message):
    """An alarm from its first event on.

    ``name`` is what it is acknowledged by. An alarm of the cloud's own has no sequence;
    ``gateway`` is empty where it is of no gateway. ``stage`` is where in its journey
    the shipment was; ``shipment`` is null where the gateway travels with none.
    """

    name: str
    shipment: str | None
    gateway: str
    epoch: str | None
    sequence: int | None
    what: str
    severity: str
    text: str
    state: str
    exercise: bool
    is_late: bool
    at: Instant | None
    cleared_at: Instant | None
    received_at: Instant
    sensor: str | None
    value: float | None
    limit: float | None
    unit: str | None
    repeats: int
    stage: str
    history: tuple[ChangeMessage, ...]
    told: tuple[str, ...]
    next_action: str
    call: tuple[CallMessage, ...]
    acknowledged_by: str | None
    remark: str | None


class ProblemMessage(Message):
    """Why something was not done, as RFC 9457 has it.

    ``reason`` is a closed word, that of ``type``; ``detail`` is for people.
    """

    type: str
    title: str
    status: int
    reason: str
    detail: str


class ChangedMessage(Message):
    """One value before and after; null where there was none."""

    name: str
    before: str | None
    after: str | None


class AuditMessage(Message):
    """One line of the audit trail: who, when, what changed, and why.

    ``at`` is by the author's clock, ``received_at`` by the server's. ``key`` is the kid
    of the key that signed. Where ``corrected_by`` names a fact, this one does not hold.
    """

    position: int
    what: str
    author: str
    key: str
    at: Instant
    received_at: Instant
    why: str | None
    changes: tuple[ChangedMessage, ...]
    digest: str
    fact: str | None
    of_fact: str | None
    corrected_by: str | None
