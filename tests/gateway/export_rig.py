"""A journey of a station as the sealed records of an export."""

import hashlib
from pathlib import Path

from gateway.command_desk import assigned
from schemas.commands import Assign, TakeFingerprint
from schemas.contents import ReleasedGain
from schemas.records import Birth, FingerprintStep, Released
from tests.builders import GatewayChain, contents, limits
from tests.gateway.station_rig import CONTAINERS, MINUTE_NS, Rig

SHIPMENT = "SH-1"
VIAL = contents(activity_gbq=7.4)


class Journey:
    """One station and its chain; minutes are played one after the other."""

    def __init__(self, container: str = "overpack-10mm", interval_s: int = 60) -> None:
        self.container = container
        self.digest = hashlib.sha256(self.file.read_bytes()).digest()
        self.rig = Rig(interval_s, container=container)
        self.chain = GatewayChain()
        self.next_minute = 0
        self.chain.append(self.birth())
        self.rig.set_clock()

    @property
    def file(self) -> Path:
        return CONTAINERS / f"{self.container}.toml"

    def birth(self) -> Birth:
        return Birth("test", bytes(32), self.container, self.digest, ())

    def assign(self, gain: ReleasedGain | None = None) -> None:
        body = Assign(SHIPMENT, (VIAL,), limits(), self.digest, gain=gain)
        self.rig.station.follow(body, is_loaded=False)
        self.chain.append(assigned(body, 1))

    def release(self) -> None:
        self.rig.station.follow(None, is_loaded=False)
        self.chain.append(Released(SHIPMENT, 9))

    def fingerprint(self, activity_gbq: float = 7.4) -> None:
        """Ten minutes without the vial, ten with it; it is loaded then."""
        for step, there_gbq in (
            (FingerprintStep.BACKGROUND, 0.0),
            (FingerprintStep.LOADED, activity_gbq),
        ):
            command = TakeFingerprint(step, 10 * MINUTE_NS)
            begin_ns = self.next_minute * MINUTE_NS
            self.rig.station.take_fingerprint(command, 2, begin_ns)
            self.play(11, there_gbq)

    def play(self, minutes: int, activity_gbq: float = 7.4, **changes: object) -> None:
        """Play minutes in which this activity is in the vial; seal what is stated."""
        for _ in range(minutes):
            self.rig.minute(self.next_minute, activity_gbq, **changes)  # type: ignore[arg-type]
            self.next_minute += 1
            self.seal()

    def seal(self) -> None:
        for statement in self.rig.said:
            self.chain.append(statement.body)
        self.rig.said.clear()

    def export(self) -> bytes:
        return b"".join(self.chain.sealed)


def whole(
    container: str = "overpack-10mm", minutes: int = 40, interval_s: int = 60
) -> Journey:
    """A fingerprinted journey of so many minutes."""
    journey = Journey(container, interval_s)
    journey.assign()
    journey.fingerprint()
    journey.play(minutes)
    return journey
