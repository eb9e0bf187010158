"""What a gateway found out about its package: shock, temperature, place, verdict.

These are parts of events, reports and positions. Each carries what a person needs to
judge it: the uncertainty (standard, k = 1), the filter corner and rate of a peak, how
much of the time is known at all.
"""

from enum import StrEnum

import msgspec


class Handling(StrEnum):
    """How a shock came about, as far as the waveforms tell."""

    DROP = "drop"
    KICK = "kick"
    TOSS = "toss"
    UNCLASSED = "unclassed"


class ShockFinding(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the waveforms of one impact say.

    ``duration_s`` is the time above 10 % of the peak. The spectra are the largest
    absolute, positive and negative acceleration of oscillators with Q = 10, nine to
    the octave from 5 Hz to 800 Hz, along the direction of the blow. ``damage_ratio``
    is the severity over the container's damage boundary, 1 on the boundary; absent
    where the container model has none. Where ``is_clipped``, peak, velocity change and
    spectra are lower bounds.
    """

    handling: Handling
    peak_m_s2: float
    rate_hz: float
    filter_corner_hz: float
    duration_s: float
    velocity_change_m_s: float
    velocity_change_u_m_s: float
    is_clipped: bool
    fall_s: float | None = None
    drop_height_m: float | None = None
    drop_height_u_m: float | None = None
    damage_ratio: float | None = None
    srs_maximax_m_s2: tuple[float, ...] = ()
    srs_positive_m_s2: tuple[float, ...] = ()
    srs_negative_m_s2: tuple[float, ...] = ()


class ThermalSummary(msgspec.Struct, frozen=True, omit_defaults=True):
    """Temperature of the product's side since the shipment was assigned.

    The times add up: ``known_ns`` is in range beyond doubt, possibly or certainly out
    of it, and ``gap_ns`` is time without a reading: never in range. Possible and
    certain are by the sensor's expanded uncertainty. ``kinetic_c`` is the mean kinetic
    temperature over what is known, ``kinetic_day_c`` the worst of any rolling 24 h:
    information only, no release rests on them. ``reasons`` say why the record is not
    GDP-valid, where ``is_gdp_valid`` is false.
    """

    sensor: str
    known_ns: int
    gap_ns: int
    certain_high_ns: int
    possible_high_ns: int
    certain_low_ns: int
    possible_low_ns: int
    is_gdp_valid: bool
    expanded_u_c: float
    minimum_c: float | None = None
    maximum_c: float | None = None
    kinetic_c: float | None = None
    kinetic_day_c: float | None = None
    reasons: tuple[str, ...] = ()


class DoseRatio(msgspec.Struct, frozen=True, omit_defaults=True):
    """Measured over expected net rate of one detector since the fingerprint.

    Expected is what the loaded fingerprint of this trip saw, decayed, in the same
    attitude. ``ratio_u`` holds counts, background and decay; what a fingerprint and
    the measurement share cancels.
    """

    sensor: str
    ratio: float
    ratio_u: float
    from_boot_ns: int
    to_boot_ns: int


class Cause(StrEnum):
    """What may have changed the counts; closed, in the order of a page."""

    DISPLACEMENT = "displacement"
    LOSS = "loss"
    GROWTH = "growth"
    NEARBY = "nearby"
    COSMIC = "cosmic"
    PLACE = "place"
    FAILURE = "failure"
    SATURATION = "saturation"


class ChangeFinding(msgspec.Struct, frozen=True):
    """What a change of the counts is laid to, and what else it could be.

    ``odds`` are those of ``cause`` against ``second``. ``amplitude`` is in mm for a
    displacement, in 1/s at the event's detector for something nearby, else a share of
    what was expected. ``statistic`` is the logarithm of the likelihood ratio at which
    it was noticed.
    """

    cause: Cause
    probability: float
    amplitude: float
    second: Cause
    odds: float
    statistic: float


class IntegrityVerdict(StrEnum):
    """The gateway's one word on its package; it replaces no look, survey or wipe."""

    NO_CHANGE_SEEN = "no-change-seen"
    SUSPECTED = "suspected"
    UNKNOWN = "unknown"


class Integrity(msgspec.Struct, frozen=True, omit_defaults=True):
    """The verdict over a shipment so far, with its evidence in words.

    ``is_confirmed`` is true where a second witness of another kind agrees: only then
    may a page show red.
    """

    verdict: IntegrityVerdict
    is_confirmed: bool
    reasons: tuple[str, ...] = ()


class Place(msgspec.Struct, frozen=True):
    """A disc on the way that a gateway may know: dock, airport, hot lab."""

    name: str
    latitude_deg: float
    longitude_deg: float
    radius_m: float
