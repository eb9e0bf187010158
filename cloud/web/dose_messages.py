"""What the programming interface answers about a dose's papers, as types.

Numbers that a transport rule judges are decimal strings. ``*_verified`` is false
where the primary text of a limit has not been read.
"""

from cloud.web.message import GBq, Instant, Message
from cloud.web.messages import WindowMessage


class ConfirmingMessage(Message):
    """The producer's answer to the order, or until when it is due."""

    answer: str
    due_at: Instant | None
    by: str | None
    at: Instant | None
    remark: str | None


class HoldMessage(Message):
    """A certificate that gives too little at the planned time, held for a person."""

    fact: str
    vial: str
    planned_at: Instant
    then_gbq: GBq
    least_gbq: GBq
    prescribed_gbq: GBq
    is_open: bool
    decided_by: str | None
    remark: str | None


class DispatchStepMessage(Message):
    """One step of the dispatch, in its order."""

    name: str
    is_answered: bool
    word: str
    at: Instant | None
    flags: tuple[str, ...]


class SurveyedMessage(Message):
    """A survey with the transport index and category that follow from it."""

    occasion: str
    surface_dose_rate_usv_h: str
    dose_rate_at_1_m_usv_h: str
    transport_index: str
    category: str
    rules: str
    instrument: str
    measured_at: Instant
    is_above_limits: bool
    limits_verified: bool
    remarks: tuple[str, ...]


class VialNeededMessage(Message):
    """The vial that would hold the prescribed activity at the appointment."""

    activity_gbq: GBq
    volume_ml: float | None
    is_made: bool | None


class PossibleMessage(Message):
    """Which appointments are still possible, and what is not any more."""

    earliest_at: Instant
    whole_vial: WindowMessage | None
    surely_inside: WindowMessage | None
    by_volume: WindowMessage | None
    latest_arrival_at: Instant
    latest_departure_at: Instant | None
    expires_at: Instant
    vial_needed: VialNeededMessage | None
    cannot: tuple[str, ...]


class WipedMessage(Message):
    """One wipe, and its limit."""

    place: str
    bq_cm2: str
    dpm_100_cm2: str
    limit_bq_cm2: str
    limit_verified: bool
    is_above_limit: bool


class ReceivedMessage(Message):
    """What the centre found at receipt."""

    outcome: str
    due_at: Instant | None
    surveyed_at: Instant | None
    is_late: bool | None
    is_identified: bool
    wipes: tuple[WipedMessage, ...]
    remarks: tuple[str, ...]


class GainMessage(Message):
    """A gain that an assay proposes for the container, k = 1; a person releases it.

    ``gain_ratio`` is to the one in use, ``previous_gain_ratio`` is that one, to the
    container model's own. ``in_force_ratio`` is what the next assignment carries, to
    the model's own; ``not_used_because`` says why a release is acted on by nobody.
    """

    gain_ratio: float
    gain_ratio_u: float
    previous_gain_ratio: float | None
    released_by: str | None
    is_released: bool | None
    in_force_ratio: float | None
    in_force_ratio_u: float | None
    due_at: Instant | None
    not_used_because: str | None


class AssayedMessage(Message):
    """The assay beside certificate and decay at its own instant; k = 2."""

    fact: str
    vial: str
    measured_at: Instant
    activity_gbq: GBq
    due_gbq: GBq
    off_ratio: float
    off_expanded_u_ratio: float
    standing: str
    remarks: tuple[str, ...]
    gain: GainMessage | None


class RemainsMessage(Message):
    """When what is left may go which way; null where not within 200 years."""

    is_stated: bool
    disposal: str | None
    exempt_at: Instant | None
    exempt_by_concentration_at: Instant | None
    excepted_at: Instant | None
    limits_verified: bool


class ReturnedMessage(Message):
    """The empty container on its way back."""

    container: str
    un_number: str
    labels_removed: bool
    destination: str
    departs_at: Instant
    wipes: tuple[WipedMessage, ...]
    survey: SurveyedMessage | None


class DoseMessage(Message):
    """What a dose's papers come to: dispatch, plan, receipt, assay, what is left."""

    advisory: str
    exercise: bool
    shipment: str
    confirming: ConfirmingMessage | None
    hold: HoldMessage | None
    dispatch: tuple[DispatchStepMessage, ...]
    survey: SurveyedMessage | None
    possible: PossibleMessage | None
    monitoring_due_at: Instant | None
    arrival_survey: SurveyedMessage | None
    received: ReceivedMessage | None
    assay: AssayedMessage | None
    remains: RemainsMessage | None
    returned: ReturnedMessage | None
