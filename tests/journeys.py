"""A journey told in sealed records and facts, for tests of what people look at.

From Ivrea by road to Malpensa, by air to Frankfurt, by road to Heidelberg: a report
every ten minutes, a flight with announced radio silence, a lid that opened and
closed, a handover whose receiver signed first. Everything is deterministic.
"""

import math
from collections.abc import Iterator

import msgspec

from cloud.adapters.ledger import SqlLedger
from cloud.verification import (
    Refusal,
    VerifiedFact,
    VerifiedRecord,
    verify_fact,
    verify_record,
)
from schemas import facts, records
from schemas.contents import Contents, ProductLimits
from schemas.estimates import Witness, WitnessVerdict
from schemas.events import Event, EventKind, Severity
from schemas.keys import KeyRegistry
from schemas.nuclides import decay_factor, nuclide
from schemas.readings import Fix
from tests import builders, journey_estimates
from tests.builders import SECOND_NS, START_NS, Author, Cloud, GatewayChain

MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
STEP_NS = 10 * MINUTE_NS
SHIPMENT = builders.SHIPMENT
CENTRE = "treatment centre, Heidelberg"
APPOINTMENT_NS = START_NS + 119 * HOUR_NS + HOUR_NS // 2
DISPATCHED_NS = START_NS + 50 * HOUR_NS
FLIES_H = (10.0, 11.6)  # hours after dispatch
LONG_H = 20.0
# (hours after dispatch, latitude, longitude)
WAY = (
    (0.0, 45.467, 7.877),
    (2.0, 45.467, 7.877),
    (3.5, 45.630, 8.723),
    (10.0, 45.630, 8.723),
    (11.6, 50.037, 8.562),
    (16.0, 50.037, 8.562),
    (18.2, 49.418, 8.670),
    (30.0, 49.418, 8.670),
)


class Cast:
    """Everybody who signs in the journey."""

    def __init__(self, *, exercise: bool = True) -> None:
        self.exercise = exercise
        self.chain = GatewayChain(exercise=exercise)
        self.desk = Author("order-desk")
        self.producer = Author("producer")
        self.courier = Author("courier-road-a", es256=True)
        self.airline = Author("airline", es256=True)
        self.cloud = Cloud()
        self.registry: KeyRegistry = builders.registry(
            self.chain,
            self.desk,
            self.producer,
            self.courier,
            self.airline,
            self.cloud,
        )

    def state(self, author: Author, body: facts.FactBody, at_ns: int) -> bytes:
        """Seal a fact at an instant."""
        return author.state(body, utc_ns=at_ns, exercise=self.exercise)

    def record(self, body: records.Body, boot_ns: int) -> bytes:
        """Seal a record at an instant since dispatch."""
        return self.chain.append(
            body,
            boot_ns=boot_ns,
            utc_ns=DISPATCHED_NS + boot_ns,
            time_source=records.TimeSource.GPS,
            time_u_ns=1_000_000,
        )


def contents() -> Contents:
    """Return a vial of 12.5 GBq at calibration, U = 5 %."""
    return msgspec.structs.replace(
        builders.contents(activity_gbq=12.5), activity_expanded_u_gbq=0.625
    )


def papers(cast: Cast) -> list[bytes]:
    """Return order, certificate and consignment, sealed."""
    order = msgspec.structs.replace(
        builders.order(), centre=CENTRE, planned_at_ns=APPOINTMENT_NS
    )
    rows = (
        (facts.LegMode.ROAD, "Ivrea", "Milan Malpensa", 2.0, 3.5),
        (facts.LegMode.HOLD, "Milan Malpensa", "Milan Malpensa", 3.5, 10.0),
        (facts.LegMode.AIR, "Milan Malpensa", "Frankfurt airport", *FLIES_H),
        (facts.LegMode.HOLD, "Frankfurt airport", "Frankfurt airport", 11.6, 16.0),
        (facts.LegMode.ROAD, "Frankfurt airport", CENTRE, 16.0, 18.2),
    )
    legs = tuple(
        facts.Leg(mode, origin, destination, _at(departs), _at(arrives))
        for mode, origin, destination, departs, arrives in rows
    )
    packed = msgspec.structs.replace(builders.consignment(), legs=legs)
    certificate = facts.Certificate(SHIPMENT, contents())
    return [
        cast.state(cast.desk, order, START_NS),
        cast.state(cast.producer, certificate, START_NS + HOUR_NS),
        cast.state(cast.producer, packed, DISPATCHED_NS - HOUR_NS),
    ]


def _at(hours: float) -> int:
    return DISPATCHED_NS + round(hours * HOUR_NS)


def handovers(cast: Cast) -> list[bytes]:
    """Return the handover at Ivrea, and that at Malpensa, its receiver first."""
    return [
        *_handover(cast, cast.producer, cast.courier, "Ivrea", 2.0, giver_first=True),
        *_handover(
            cast, cast.courier, cast.airline, "Milan Malpensa", 3.6, giver_first=False
        ),
    ]


def _handover(
    cast: Cast,
    giver: Author,
    receiver: Author,
    place: str,
    hours: float,
    *,
    giver_first: bool,
) -> Iterator[bytes]:
    _hours, latitude_deg, longitude_deg = min(WAY, key=lambda w: abs(w[0] - hours))
    sides = [(facts.HandoverRole.GIVER, giver), (facts.HandoverRole.RECEIVER, receiver)]
    for minute, (role, author) in enumerate(sides if giver_first else sides[::-1]):
        body = msgspec.structs.replace(
            builders.handover(role),
            handover=place.encode().ljust(16)[:16],
            giver=giver.name,
            receiver=receiver.name,
            place=place,
            latitude_deg=latitude_deg,
            longitude_deg=longitude_deg,
        )
        yield cast.state(author, body, _at(hours) + minute * MINUTE_NS)


def telemetry(cast: Cast, hours: float = LONG_H) -> list[bytes]:
    """Return the gateway's records from dispatch on."""
    sealed = [cast.record(builders.birth(), 0)]
    sealed.append(cast.record(_assigned(), SECOND_NS))
    sealed.append(cast.record(_fingerprint(), 2 * SECOND_NS))
    for boot_ns in range(STEP_NS, round(hours * HOUR_NS) + 1, STEP_NS):
        sealed += _events(cast, boot_ns)
        sealed.append(cast.record(_report(boot_ns), boot_ns))
        if not FLIES_H[0] <= boot_ns / HOUR_NS < FLIES_H[1]:
            sealed.append(cast.record(_position(boot_ns), boot_ns + SECOND_NS))
        sealed.append(
            cast.record(builders.heartbeat(cast.chain), boot_ns + 2 * SECOND_NS)
        )
    return sealed


def _assigned() -> records.Assigned:
    return records.Assigned(
        shipment=SHIPMENT,
        counter=1,
        contents=(contents(),),
        limits=ProductLimits(temperature_max_c=30.0, temperature_min_c=0.0),
        container_digest=builders.CONTAINER_DIGEST,
    )


def _fingerprint() -> records.Fingerprint:
    return records.Fingerprint(
        step=records.FingerprintStep.LOADED,
        counter=2,
        from_boot_ns=0,
        to_boot_ns=2 * SECOND_NS,
        detectors=(),
        result=journey_estimates.fingerprint(),
    )


def _report(boot_ns: int) -> records.Report:
    hours = boot_ns / HOUR_NS
    flying = FLIES_H[0] <= hours < FLIES_H[1]
    wave = math.sin(hours * 2.1) + 0.5 * math.sin(hours * 7.3)
    expected = _expected_per_s(boot_ns)
    rate = expected * (1 + 0.004 * math.sin(hours * 11.0))
    live_ns = STEP_NS
    return records.Report(
        from_boot_ns=boot_ns - STEP_NS,
        to_boot_ns=boot_ns,
        sensors=(
            _summary("board/temperature-0", "temperature_c", 21.0 + 1.5 * wave, 0.4),
            _summary("board/temperature-1", "temperature_c", 12.0 + 4.0 * wave, 0.9),
            _summary(
                "board/pressure-0",
                "pressure_hpa",
                780.0 if flying else 985.0 + 2 * wave,
                1.0,
            ),
        ),
        detectors=tuple(
            records.DetectorSummary(
                sensor=f"board/detector-{i}",
                counts=round(r * live_ns / SECOND_NS),
                live_time_ns=live_ns,
                real_time_ns=live_ns,
                intervals=600,
                valid=600,
                temperature_c=20.0,
            )
            for i, r in enumerate((rate, rate * 1.01, 1.2 if flying else 0.36, 0.35))
        ),
        lines=(),
        witnesses=(_witness(boot_ns, rate, expected, flying=flying),),
        estimates=journey_estimates.estimates(
            contents(), DISPATCHED_NS + boot_ns, flying=flying
        ),
        remaining=(
            journey_estimates.remaining(
                "V-1", DISPATCHED_NS + SECOND_NS, flying=flying
            ),
        ),
        half_lives=(
            () if boot_ns % HOUR_NS else (journey_estimates.half_life(contents()),)
        ),
    )


def _expected_per_s(boot_ns: int) -> float:
    elapsed_s = (DISPATCHED_NS + boot_ns - START_NS) / SECOND_NS
    return 60.0 * 12.5 * decay_factor(nuclide("Lu-177").half_life_s, elapsed_s)


def _witness(boot_ns: int, rate: float, expected: float, *, flying: bool) -> Witness:
    live_s = 2 * STEP_NS / SECOND_NS
    if flying:
        return Witness(
            vial="V-1",
            method="witness-1",
            verdict=WitnessVerdict.NOT_OBSERVABLE,
            from_boot_ns=max(0, boot_ns - STEP_NS),
            to_boot_ns=boot_ns,
            counts=0,
            live_time_ns=0,
            reasons=("airborne: cosmic radiation hides the source",),
        )
    return Witness(
        vial="V-1",
        method="witness-1",
        verdict=WitnessVerdict.AGREES,
        from_boot_ns=max(0, boot_ns - STEP_NS),
        to_boot_ns=boot_ns,
        counts=round(rate * live_s),
        live_time_ns=round(live_s * SECOND_NS),
        ratio=rate / expected,
        ratio_u=0.028,
        noticeable_ratio=0.056,
        expected_counts=expected * live_s,
    )


def _summary(
    sensor: str, quantity: str, mean: float, spread: float
) -> records.SensorSummary:
    return records.SensorSummary(
        sensor=sensor,
        quantity=quantity,
        count=60,
        valid=60,
        mean=mean,
        minimum=mean - spread,
        maximum=mean + spread,
        latest=mean,
    )


def _position(boot_ns: int) -> records.Position:
    hours = boot_ns / HOUR_NS
    before = [w for w in WAY if w[0] <= hours][-1]
    after = next((w for w in WAY if w[0] > hours), before)
    share = (hours - before[0]) / (after[0] - before[0]) if after != before else 0.0
    bend = 0.05 * math.sin(math.pi * share) if after[1:] != before[1:] else 0.0
    return records.Position(
        sensor="gps/position",
        fix=Fix.FIX_3D,
        age_ns=SECOND_NS,
        latitude_deg=before[1] + share * (after[1] - before[1]) + bend,
        longitude_deg=before[2] + share * (after[2] - before[2]),
        altitude_m=210.0,
    )


def _events(cast: Cast, boot_ns: int) -> Iterator[bytes]:
    begins, ends = (round(h * HOUR_NS) for h in FLIES_H)
    told = (
        (begins, EventKind.RADIO_SILENCE_BEGINS, Severity.INFO, "airborne"),
        (ends, EventKind.RADIO_SILENCE_ENDS, Severity.INFO, "on the ground"),
        (5 * HOUR_NS, EventKind.SENSOR_LOST, Severity.WARNING, "no bytes for 30 s"),
        (
            5 * HOUR_NS + STEP_NS,
            EventKind.SENSOR_FOUND,
            Severity.INFO,
            "the line is back",
        ),
    )
    for at_ns, what, severity, text in told:
        if boot_ns - STEP_NS < at_ns <= boot_ns:
            is_begin = what is EventKind.RADIO_SILENCE_BEGINS
            event = Event(
                what,
                severity,
                at_ns,
                text,
                sensor="board" if "sensor" in what else None,
                reason="flight" if is_begin else None,
                expected_end_ns=_at(FLIES_H[1] + 0.4) if is_begin else None,
            )
            yield cast.record(event, boot_ns - SECOND_NS)


def take(ledger: SqlLedger, cast: Cast, sealed: list[bytes], lag_ns: int = 0) -> None:
    """Verify and append records or facts, each received ``lag_ns`` after it says."""
    for item in sealed:
        record = verify_record(item, cast.registry)
        if isinstance(record, VerifiedRecord):
            at_ns = record.header.utc_ns or START_NS
            ledger.append_records([record], at_ns + lag_ns)
            continue
        fact = verify_fact(item, cast.registry)
        assert isinstance(fact, VerifiedFact), _why(record, fact)
        ledger.append_fact(fact, fact.fact.header.utc_ns + lag_ns)


def _why(record: VerifiedRecord | Refusal, fact: VerifiedFact | Refusal) -> str:
    return f"{record} {fact}"
