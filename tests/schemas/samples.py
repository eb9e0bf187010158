"""One value of every kind of the contract, and the keys that seal them in tests.

The seeds are public: whoever trusts these keys trusts everybody.
"""

from collections.abc import Mapping
from typing import Final

from schemas.commands import (
    Assign,
    CommandBody,
    Configure,
    Release,
    Resend,
    Setting,
    TakeFingerprint,
)
from schemas.contents import (
    Contents,
    Impurity,
    ProductionRoute,
    ProductLimits,
    ReferenceKind,
    ReleasedGain,
)
from schemas.envelope import ZERO_DIGEST
from schemas.estimates import (
    CERTIFICATE_METHOD,
    WITNESS_METHOD,
    Estimate,
    EstimateState,
    NuclideActivity,
    Witness,
    WitnessVerdict,
)
from schemas.events import Event, EventKind, Evidence, Severity
from schemas.facts import KINDS as FACT_KINDS
from schemas.facts import (
    FactBody,
    FactHeader,
)
from schemas.findings import (
    Place,
)
from schemas.keys import Algorithm, Ed25519Signer, Es256Signer, OwnerKind, PublicKey
from schemas.readings import Fix
from schemas.receipts import Receipt
from schemas.records import (
    KINDS,
    Assigned,
    Birth,
    Body,
    ClockChange,
    DetectorSummary,
    Fingerprint,
    FingerprintStep,
    Gap,
    GapReason,
    Header,
    Heartbeat,
    LineQuality,
    Position,
    Released,
    Report,
    Sensor,
    SensorSummary,
    TimeSource,
)

GATEWAY: Final = "gw-ivrea-07"
AUTHOR: Final = "courier-ada"
SHIPMENT: Final = "S-2026-0415"
EPOCH: Final = bytes.fromhex("a1b2c3d4e5f60718")
BOOT_ID: Final = bytes.fromhex("00112233445566778899aabbccddeeff")
UUID: Final = bytes.fromhex("0190e6f2c4b87f3e9a51d2c3b4a59687")
AT_NS: Final = 1_795_431_600_123_456_789  # 2026-11-23T11:00:00.123456789Z
DIGEST: Final = bytes(range(32))

GATEWAY_SIGNER: Final = Ed25519Signer(b"\x01" * 32)
CLOUD_SIGNER: Final = Ed25519Signer(b"\x02" * 32)
PERSON_SIGNER: Final = Es256Signer(b"\x03" * 32)
STRANGER_SIGNER: Final = Ed25519Signer(b"\x04" * 32)
AUTHOR_SIGNER: Final = Ed25519Signer(b"\x05" * 32)

GATEWAY_KEY: Final = PublicKey(
    GATEWAY,
    OwnerKind.GATEWAY,
    Algorithm.EDDSA,
    GATEWAY_SIGNER.public_key,
    epoch=EPOCH,
)
CLOUD_KEY: Final = PublicKey(
    "cloud", OwnerKind.CLOUD, Algorithm.EDDSA, CLOUD_SIGNER.public_key
)
PERSON_KEY: Final = PublicKey(
    AUTHOR, OwnerKind.PERSON, Algorithm.ES256, PERSON_SIGNER.public_key
)
AUTHOR_KEY: Final = PublicKey(
    "centre-basel", OwnerKind.PERSON, Algorithm.EDDSA, AUTHOR_SIGNER.public_key
)

CONTENTS: Final = Contents(
    vial="V-1",
    product="pluvicto",
    nuclide="Lu-177",
    activity_gbq=9.25,
    activity_expanded_u_gbq=0.37,
    coverage_factor=2.0,
    reference_at_ns=AT_NS,
    reference_kind=ReferenceKind.CALIBRATION,
    offset_minutes=60,
    volume_ml=9.25,
    production_route=ProductionRoute.CARRIER_ADDED,
    standard="PTB 2024-1177",
    impurities=(Impurity("Lu-177m", 1e-4, 2e-5),),
    separated_at_ns=AT_NS - 3_600_000_000_000,
    document=DIGEST,
)
LIMITS: Final = ProductLimits(30.0, 0.0, AT_NS + 432_000_000_000_000)
DETECTOR: Final = DetectorSummary(
    "board/counts-0", 18_423, 59_412_345_678, 60_000_000_000, 60, 60, 21.4
)
ESTIMATE: Final = Estimate(
    vial="V-1",
    method=CERTIFICATE_METHOD,
    state=EstimateState.VALID,
    at_ns=AT_NS,
    activity_gbq=7.81,
    activity_u_gbq=0.156,
    reference_at_ns=AT_NS,
    nuclides=(NuclideActivity("Lu-177", 7.81, 574_067.5),),
    log_covariance=(4e-4, 0.0, 0.0, 1.8e-8),
)
WITNESS: Final = Witness(
    vial="V-1",
    method=WITNESS_METHOD,
    verdict=WitnessVerdict.AGREES,
    from_boot_ns=0,
    to_boot_ns=60_000_000_000,
    counts=18_423,
    live_time_ns=59_412_345_678,
    ratio=1.004,
    ratio_u=0.011,
    noticeable_ratio=0.031,
    expected_counts=18_350.2,
    reasons=("attitude",),
)

GAIN: Final = ReleasedGain(
    UUID, "Lu-177", 1.021, 0.016, "assay 0190: CRC-55tR", "qa", AT_NS, AT_NS + 1
)

BODIES: Final[tuple[Body, ...]] = (
    Birth(
        "0.1.0",
        DIGEST,
        "pot-type-7",
        DIGEST,
        (Sensor("board/counts-0", "count", "C-77", AT_NS, AT_NS + 1),),
    ),
    Assigned(SHIPMENT, 3, (CONTENTS,), LIMITS, DIGEST),
    Released(SHIPMENT, 4),
    Report(
        from_boot_ns=0,
        to_boot_ns=60_000_000_000,
        sensors=(
            SensorSummary("board/temperature-0", "temperature_c", 60, 59, 21.5),
            SensorSummary("board/temperature-1", "temperature_c", 60, 0),
            SensorSummary("board/pressure-0", "pressure_hpa", 1, 1, 0.0, 0.0, 0.0, 0.0),
        ),
        detectors=(DETECTOR,),
        lines=(LineQuality("board", True, 2400, 3, 1, 0),),
        estimates=(ESTIMATE,),
        witnesses=(WITNESS,),
        attitude=(0.0, 0.0, -1.0),
    ),
    Position(
        sensor="gps/position",
        fix=Fix.FIX_3D,
        age_ns=1_000_000_000,
        latitude_deg=45.4669,
        longitude_deg=7.8747,
        altitude_m=253.0,
        measured_at_ns=AT_NS,
        speed_m_s=27.25,
        track_deg=310.5,
        hdop=0.9,
        satellites=11,
    ),
    Event(
        what=EventKind.SHOCK,
        severity=Severity.ALARM,
        from_boot_ns=5,
        text="shock of 412 m/s2",
        to_boot_ns=6,
        sensor="board/shock",
        value=412.0,
        limit=200.0,
        unit="m/s2",
        evidence_parts=2,
    ),
    Evidence(17, 0, 2, "board/shock", 5, 3200.0, 1000.0, 0.4788, b"\x01\x00" * 6),
    Fingerprint(
        FingerprintStep.LOADED, 5, 0, 600_000_000_000, (DETECTOR,), (0.0, 0.0, -1.0)
    ),
    Heartbeat(16, DIGEST, 0, 8192, 27_917_287_424),
    ClockChange(TimeSource.FLOOR, TimeSource.GPS, AT_NS, 50_000_000),
    Gap(3, 9, GapReason.DECIMATED, DIGEST),
)

COMMANDS: Final[tuple[CommandBody, ...]] = (
    Assign(SHIPMENT, (CONTENTS,), LIMITS, DIGEST),
    Release(SHIPMENT),
    TakeFingerprint(FingerprintStep.BACKGROUND, 600_000_000_000),
    Resend(EPOCH, 5, 9),
    Configure((Setting("report_interval_s", 60.0),)),
)

RECEIPT: Final = Receipt(
    1, "receipt", GATEWAY, EPOCH, AT_NS, 41, DIGEST, ((44, 50), (60, 60))
)

PLACES: Final = (Place("centre-basel", 47.5622, 7.5834, 200.0),)

KEYS_BY_KID: Final[Mapping[bytes, PublicKey]] = {
    key.kid: key for key in (GATEWAY_KEY, CLOUD_KEY, PERSON_KEY, AUTHOR_KEY)
}


def header(body: Body, sequence: int = 0, previous: bytes | None = None) -> Header:
    """Return the header of a sample record; a later one links to DIGEST."""
    if previous is None:
        previous = DIGEST if sequence else ZERO_DIGEST
    return Header(
        version=1,
        gateway=GATEWAY,
        epoch=EPOCH,
        sequence=sequence,
        kind=KINDS[type(body)],
        previous=previous,
        boot_id=BOOT_ID,
        boot_ns=60_000_000_000 + sequence,
        time_source=TimeSource.GPS,
        exercise=False,
        utc_ns=AT_NS,
        time_u_ns=50_000_000,
    )


def fact_header(body: FactBody, author: str = AUTHOR_KEY.owner) -> FactHeader:
    """Return the header of a sample fact, the author's first."""
    return FactHeader(
        1, UUID, author, 0, ZERO_DIGEST, AT_NS, FACT_KINDS[type(body)], False
    )
