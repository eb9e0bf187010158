"""Builders of signed chains for tests: gateways, people and the cloud with their keys.

Everything is deterministic: keys come from the owner's name, times from
:data:`START_NS`. A :class:`GatewayChain` seals and links what it is given::

    chain = GatewayChain()
    chain.append(birth())
    chain.append(report(0))
    known = registry(chain, Author("courier-1"))
"""

import hashlib
from typing import Protocol

import msgspec

from schemas import commands, facts, receipts, records
from schemas.contents import Contents, ProductionRoute, ProductLimits, ReferenceKind
from schemas.envelope import ZERO_DIGEST, digest
from schemas.events import Event, EventKind, Severity
from schemas.keys import (
    Ed25519Signer,
    Es256Signer,
    KeyRegistry,
    OwnerKind,
    PublicKey,
)
from schemas.readings import Fix

SECOND_NS = 10**9
START_NS = 1_790_000_000 * SECOND_NS
GATEWAY = "gw-test-01"
SHIPMENT = "SH-0001"
CENTRE = "centre-ivrea"
EPOCH = bytes.fromhex("0102030405060708")
BOOT_ID = bytes(range(16))
CONTAINER_DIGEST = hashlib.sha256(b"container").digest()
CLOUD = "cloud"


class Owner(Protocol):
    """Anyone with a key."""

    @property
    def key(self) -> PublicKey: ...


def ed25519_signer(name: str) -> Ed25519Signer:
    """Return the key that belongs to ``name`` in all tests."""
    return Ed25519Signer(hashlib.sha256(name.encode()).digest())


def es256_signer(name: str) -> Es256Signer:
    """Return the P-256 key that belongs to ``name`` in all tests."""
    return Es256Signer(hashlib.sha256(name.encode()).digest())


def public_key(
    owner: str, kind: OwnerKind, signer: Ed25519Signer | Es256Signer
) -> PublicKey:
    """Return the registry's entry for a signer."""
    return PublicKey(owner, kind, signer.algorithm, signer.public_key)


def registry(*owners: Owner) -> KeyRegistry:
    """Return a registry that knows these owners."""
    return KeyRegistry(tuple(owner.key for owner in owners))


class GatewayChain:
    """A gateway that seals records; ``sealed`` holds all of them in order."""

    def __init__(
        self, gateway: str = GATEWAY, epoch: bytes = EPOCH, exercise: bool = False
    ) -> None:
        self.gateway = gateway
        self.epoch = epoch
        self.exercise = exercise
        self.boot_id = BOOT_ID
        self.signer = ed25519_signer(gateway)
        self.key = public_key(gateway, OwnerKind.GATEWAY, self.signer)
        self.sealed: list[bytes] = []
        self.previous = ZERO_DIGEST
        self.sequence = 0

    def header(self, kind: str, **changes: object) -> records.Header:
        """Return the header of the next record; one record a minute by default."""
        boot_ns = self.sequence * 60 * SECOND_NS
        if isinstance(given := changes.get("boot_ns"), int):
            boot_ns = given
        header = records.Header(
            version=records.VERSION,
            gateway=self.gateway,
            epoch=self.epoch,
            sequence=self.sequence,
            kind=kind,
            previous=self.previous,
            boot_id=self.boot_id,
            boot_ns=boot_ns,
            time_source=records.TimeSource.NTP,
            exercise=self.exercise,
            utc_ns=START_NS + boot_ns,
            time_u_ns=10_000_000,
        )
        return msgspec.structs.replace(header, **changes)

    def append(self, body: records.Body, **changes: object) -> bytes:
        """Seal ``body`` as the next record; ``changes`` replace header fields."""
        header = self.header(records.KINDS[type(body)], **changes)
        sealed = records.seal_record(header, body, self.signer)
        self.sealed.append(sealed)
        self.skip(digest(sealed))
        return sealed

    def skip(self, previous: bytes) -> None:
        """Go on as if a record with the digest ``previous`` had been sealed."""
        self.previous = previous
        self.sequence += 1

    def extend(self, *bodies: records.Body) -> list[bytes]:
        """Seal several bodies; return their sealed records."""
        return [self.append(body) for body in bodies]


class Author:
    """A person or server that states facts; ``sealed`` holds all of them in order."""

    def __init__(
        self, name: str, kind: OwnerKind = OwnerKind.PERSON, es256: bool = False
    ) -> None:
        self.name = name
        self.signer = es256_signer(name) if es256 else ed25519_signer(name)
        self.key = public_key(name, kind, self.signer)
        self.sealed: list[bytes] = []
        self.previous = ZERO_DIGEST

    def header(self, kind: str, **changes: object) -> facts.FactHeader:
        """Return the header of the next fact; one fact a minute by default."""
        sequence = len(self.sealed)
        uuid = hashlib.sha256(f"{self.name}/{sequence}".encode()).digest()[:16]
        header = facts.FactHeader(
            version=facts.VERSION,
            fact=uuid,
            author=self.name,
            sequence=sequence,
            previous=self.previous,
            utc_ns=START_NS + sequence * 60 * SECOND_NS,
            kind=kind,
            exercise=False,
        )
        return msgspec.structs.replace(header, **changes)

    def state(self, body: facts.FactBody, **changes: object) -> bytes:
        """Seal ``body`` as the next fact; ``changes`` replace header fields."""
        header = self.header(facts.KINDS[type(body)], **changes)
        sealed = facts.seal_fact(header, body, self.signer)
        self.sealed.append(sealed)
        self.previous = digest(sealed)
        return sealed


class Cloud(Author):
    """The cloud with its key: facts, receipts and commands."""

    def __init__(self, name: str = CLOUD) -> None:
        super().__init__(name, OwnerKind.CLOUD)

    def command(
        self,
        body: commands.CommandBody,
        counter: int = 1,
        gateway: str = GATEWAY,
        expires_ns: int = START_NS + 3600 * SECOND_NS,
    ) -> bytes:
        """Return a sealed command."""
        return commands.seal_command(gateway, counter, expires_ns, body, self.signer)

    def receipt(self, chain: GatewayChain, contiguous: int | None = None) -> bytes:
        """Return a sealed receipt for a chain, by default for all of it."""
        at = len(chain.sealed) - 1 if contiguous is None else contiguous
        receipt = receipts.Receipt(
            version=receipts.VERSION,
            kind=receipts.KIND,
            gateway=chain.gateway,
            epoch=chain.epoch,
            at_ns=START_NS,
            contiguous=at,
            digest=digest(chain.sealed[at]),
        )
        return receipts.seal_receipt(receipt, self.signer)


def contents(vial: str = "V-1", activity_gbq: float = 7.4) -> Contents:
    """Return a vial of lutetium vipivotide tetraxetan, calibrated at the start."""
    return Contents(
        vial=vial,
        product="pluvicto",
        nuclide="Lu-177",
        activity_gbq=activity_gbq,
        activity_expanded_u_gbq=activity_gbq * 0.03,
        coverage_factor=2.0,
        reference_at_ns=START_NS,
        reference_kind=ReferenceKind.CALIBRATION,
        offset_minutes=60,
        volume_ml=12.5,
        production_route=ProductionRoute.NO_CARRIER_ADDED,
        standard="NIST",
    )


def limits() -> ProductLimits:
    """Return the transport limits of the label."""
    return ProductLimits(temperature_max_c=30.0, temperature_min_c=2.0)


def birth() -> records.Birth:
    """Return a birth with one thermometer."""
    sensor = records.Sensor(sensor="board-t1", quantity="temperature_c")
    return records.Birth(
        software="0.1.0",
        configuration_digest=hashlib.sha256(b"configuration").digest(),
        container="CT-1",
        container_digest=CONTAINER_DIGEST,
        sensors=(sensor,),
    )


def assigned(shipment: str = SHIPMENT, counter: int = 1) -> records.Assigned:
    """Return the answer to ``assign``."""
    return records.Assigned(
        shipment=shipment,
        counter=counter,
        contents=(contents(),),
        limits=limits(),
        container_digest=CONTAINER_DIGEST,
    )


def released(shipment: str = SHIPMENT, counter: int = 2) -> records.Released:
    """Return the answer to ``release``."""
    return records.Released(shipment=shipment, counter=counter)


def report(minute: int, temperature_c: float = 5.0) -> records.Report:
    """Return the report of one minute since boot."""
    summary = records.SensorSummary(
        sensor="board-t1",
        quantity="temperature_c",
        count=12,
        valid=12,
        mean=temperature_c,
        minimum=temperature_c - 0.5,
        maximum=temperature_c + 0.5,
        latest=temperature_c,
    )
    return records.Report(
        from_boot_ns=minute * 60 * SECOND_NS,
        to_boot_ns=(minute + 1) * 60 * SECOND_NS,
        sensors=(summary,),
        detectors=(),
        lines=(),
    )


def position(
    latitude_deg: float = 45.4, longitude_deg: float = 7.9
) -> records.Position:
    """Return a position with a three-dimensional fix."""
    return records.Position(
        sensor="gnss",
        fix=Fix.FIX_3D,
        age_ns=SECOND_NS,
        latitude_deg=latitude_deg,
        longitude_deg=longitude_deg,
        altitude_m=250.0,
    )


def heartbeat(chain: GatewayChain) -> records.Heartbeat:
    """Return the heartbeat of a chain as it stands; it must have a record."""
    return records.Heartbeat(
        head_sequence=chain.sequence - 1,
        head_digest=chain.previous,
        oldest_sequence=0,
        outbox_bytes=4096,
        free_bytes=10**9,
    )


def event(
    what: EventKind = EventKind.TEMPERATURE_EXCURSION,
    severity: Severity = Severity.ALARM,
    counter: int | None = None,
) -> Event:
    """Return an event in the first minute."""
    return Event(
        what=what,
        severity=severity,
        from_boot_ns=30 * SECOND_NS,
        text=what.value,
        counter=counter,
    )


def order(shipment: str = SHIPMENT) -> facts.Order:
    """Return an order for an infusion a day after the start."""
    return facts.Order(
        shipment=shipment,
        order="PO-77",
        product="pluvicto",
        centre=CENTRE,
        planned_at_ns=START_NS + 24 * 3600 * SECOND_NS,
        offset_minutes=60,
        prescribed_activity_gbq=7.4,
        tolerance_ratio=0.1,
    )


def certificate(shipment: str = SHIPMENT) -> facts.Certificate:
    """Return the calibration certificate of the shipment's vial."""
    return facts.Certificate(shipment=shipment, contents=contents())


def consignment(shipment: str = SHIPMENT, gateway: str = GATEWAY) -> facts.Consignment:
    """Return a consignment with one leg by road."""
    leg = facts.Leg(
        mode=facts.LegMode.ROAD,
        origin="ivrea",
        destination=CENTRE,
        departs_at_ns=START_NS,
        arrives_at_ns=START_NS + 12 * 3600 * SECOND_NS,
        carrier="courier-1",
    )
    return facts.Consignment(
        shipment=shipment,
        gateway=gateway,
        container="CT-1",
        container_digest=CONTAINER_DIGEST,
        seal="SEAL-9",
        legs=(leg,),
    )


def handover(
    role: facts.HandoverRole = facts.HandoverRole.GIVER, shipment: str = SHIPMENT
) -> facts.Handover:
    """Return one side of the handover from site to courier."""
    return facts.Handover(
        shipment=shipment,
        handover=bytes(16),
        role=role,
        giver="site-1",
        receiver="courier-1",
        place="ivrea",
        condition="no change seen",
        seal="SEAL-9",
        seal_intact=True,
    )
