"""Second values of a kind of record, with the parts that the first does without."""

from typing import Final

from msgspec.structs import replace

from schemas.estimates import (
    FINGERPRINT_METHOD,
    FUSED_METHOD,
    HALF_LIFE_METHOD,
    REMAINING_METHOD,
    DetectorGain,
    Estimate,
    EstimateState,
    FingerprintResult,
    FingerprintVerdict,
    HalfLifeCheck,
    NuclideActivity,
    Remaining,
    UncertaintyShare,
    WitnessVerdict,
)
from schemas.events import Event, EventKind, Severity
from schemas.findings import (
    Cause,
    ChangeFinding,
    DoseRatio,
    Handling,
    Integrity,
    IntegrityVerdict,
    ShockFinding,
    ThermalSummary,
)
from schemas.readings import Fix
from schemas.records import (
    Assigned,
    Body,
    Conditions,
    Fingerprint,
    FingerprintStep,
    Gap,
    GapReason,
    Position,
    Report,
)
from tests.schemas.samples import (
    AT_NS,
    CONTENTS,
    DETECTOR,
    DIGEST,
    ESTIMATE,
    GAIN,
    LIMITS,
    SHIPMENT,
    WITNESS,
)

SHOCK: Final = ShockFinding(
    handling=Handling.DROP,
    peak_m_s2=612.5,
    rate_hz=3200.0,
    filter_corner_hz=1600.0,
    duration_s=0.0105,
    velocity_change_m_s=4.3,
    velocity_change_u_m_s=0.2,
    is_clipped=False,
    fall_s=0.3345,
    drop_height_m=0.548,
    drop_height_u_m=0.03,
    damage_ratio=0.75,
    srs_maximax_m_s2=(31.5, 1012.0),
    srs_positive_m_s2=(31.5, 1012.0),
    srs_negative_m_s2=(0.0, 288.0),
)
CHANGE: Final = ChangeFinding(
    cause=Cause.DISPLACEMENT,
    probability=0.97,
    amplitude=1.03,
    second=Cause.FAILURE,
    odds=33.5,
    statistic=17.2,
)
THERMAL: Final = ThermalSummary(
    sensor="board/temperature-0",
    known_ns=259_200_000_000_000,
    gap_ns=0,
    certain_high_ns=600_000_000_000,
    possible_high_ns=900_000_000_000,
    certain_low_ns=0,
    possible_low_ns=0,
    is_gdp_valid=False,
    expanded_u_c=0.5,
    minimum_c=0.0,
    maximum_c=31.25,
    kinetic_c=22.75,
    kinetic_day_c=24.5,
    reasons=("certificate expired",),
)
CONDITIONS: Final = Conditions(False, True, False, False, AT_NS, 50_000_000)
FUSED: Final = Estimate(
    vial="V-1",
    method=FUSED_METHOD,
    state=EstimateState.DEGRADED,
    at_ns=AT_NS,
    activity_gbq=7.84,
    activity_u_gbq=0.086,
    reference_at_ns=AT_NS,
    nuclides=(NuclideActivity("Lu-177", 7.84, 574_067.5),),
    log_covariance=(1.21e-4, 0.0, 0.0, 1.8e-8),
    reasons=("one detector is silent",),
    budget=(UncertaintyShare("certificate", 0.005), UncertaintyShare("gain", 0.01)),
)
REMAINING: Final = Remaining(
    "V-1", REMAINING_METHOD, EstimateState.VALID, AT_NS, 0.9985, 0.0021
)
HALF_LIFE: Final = HalfLifeCheck(
    vial="V-1",
    method=HALF_LIFE_METHOD,
    verdict=WitnessVerdict.AGREES,
    expected_half_life_s=574_067.5,
    half_life_s=572_900.0,
    half_life_u_s=4_100.0,
)
FINGERPRINT: Final = FingerprintResult(
    method=FINGERPRINT_METHOD,
    verdict=FingerprintVerdict.REFUSED,
    gains=(DetectorGain("board/detector-0", 0.62, 0.04),),
    ratio=0.62,
    ratio_u=0.1,
    deviation=3.8,
    reasons=("wrong vial, wrong container or wrong geometry",),
)
FURTHER: Final[tuple[tuple[str, Body], ...]] = (
    (
        "assigned with a gain",
        Assigned(SHIPMENT, 4, (CONTENTS,), LIMITS, DIGEST, GAIN),
    ),
    (
        "witness in shares",
        Report(0, 1, (), (), (), witnesses=(replace(WITNESS, counted_u=0.009),)),
    ),
    (
        "gap in a chain that was given up",
        Gap(3, 9, GapReason.DROPPED, DIGEST, bytes.fromhex("0102030405060708")),
    ),
    (
        "report with a fused activity",
        Report(
            from_boot_ns=0,
            to_boot_ns=60_000_000_000,
            sensors=(),
            detectors=(DETECTOR,),
            lines=(),
            estimates=(ESTIMATE, FUSED),
            remaining=(REMAINING,),
            half_lives=(HALF_LIFE,),
            conditions=CONDITIONS,
        ),
    ),
    (
        "fingerprint with its result",
        Fingerprint(
            step=FingerprintStep.LOADED,
            counter=5,
            from_boot_ns=0,
            to_boot_ns=600_000_000_000,
            detectors=(DETECTOR,),
            pressure_hpa=1013.25,
            conditions=CONDITIONS,
            result=FINGERPRINT,
        ),
    ),
    (
        "report with findings",
        Report(
            from_boot_ns=0,
            to_boot_ns=60_000_000_000,
            sensors=(),
            detectors=(),
            lines=(),
            thermal=THERMAL,
            doses=(DoseRatio("board/detector-0", 1.25, 0.04, 0, 60_000_000_000),),
            integrity=Integrity(
                IntegrityVerdict.SUSPECTED, True, ("dropped from 1.3 m", "dose rate")
            ),
        ),
    ),
    (
        "shock with findings",
        Event(
            what=EventKind.SHOCK,
            severity=Severity.WARNING,
            from_boot_ns=5,
            text="shock: drop of 0.55 m",
            sensor="board/waveform-1",
            value=0.548,
            value_u=0.03,
            unit="m",
            evidence_parts=9,
            shock=SHOCK,
        ),
    ),
    (
        "change of the counts",
        Event(
            what=EventKind.INTEGRITY,
            severity=Severity.WARNING,
            from_boot_ns=5,
            to_boot_ns=360_000_000_005,
            text="counts changed: displacement of 1.0 mm",
            reason="displacement",
            change=CHANGE,
        ),
    ),
    (
        "position in doubt",
        Position(
            sensor="gps/position",
            fix=Fix.FIX_2D,
            age_ns=0,
            latitude_deg=45.4669,
            longitude_deg=7.8747,
            position_u_m=6.5,
            doubts=("jump",),
            places=("airport",),
            dwell_ns=60_000_000_000,
        ),
    ),
    (
        "position before the fix was lost",
        Position(
            sensor="gps/position",
            fix=Fix.NONE,
            age_ns=0,
            last_latitude_deg=45.4669,
            last_longitude_deg=0.0,
            last_fix_age_ns=7_200_000_000_000,
        ),
    ),
)
