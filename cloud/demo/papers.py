"""The papers of the journey: they lie in ``papers/``, as people would write them.

A Pluvicto vial of 12.5 GBq at calibration (12.5 mL at 1 GBq/mL) that holds 7.4 GBq
at the appointment, 119.5 hours later, from Ivrea to Heidelberg.
"""

from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import msgspec

from cloud.errors import ConfigError
from cloud.papers import read_paper
from schemas.facts import Acceptance, Certificate, Consignment, FactBody, Order

FOLDER: Final = Path(__file__).parent / "papers"
# As the papers have them; read here they would be needed wherever this is imported.
SHIPMENT: Final = "S-2026-1147"
SEAL: Final = "DT-884213"
T = TypeVar("T", bound=FactBody)


class Place(NamedTuple):
    """Where something is handed over."""

    name: str
    latitude_deg: float
    longitude_deg: float


PLACES: Final = {
    "ivrea": Place("production site, Ivrea", 45.467, 7.875),
    "malpensa": Place("Milan Malpensa, cargo", 45.630, 8.723),
    "frankfurt-airport": Place("Frankfurt airport, cargo", 50.033, 8.570),
    "heidelberg": Place("treatment centre, Heidelberg", 49.417, 8.670),
}


def order() -> Order:
    """Return the order of the dose."""
    return _read("order.toml", Order)


def certificate() -> Certificate:
    """Return the calibration certificate of the vial."""
    return _read("certificate.toml", Certificate)


def consignment(gateway: str, container: str, container_digest: bytes) -> Consignment:
    """Return the packing of the vial with its lane, in what was really packed."""
    return msgspec.structs.replace(
        _read("consignment.toml", Consignment),
        gateway=gateway,
        container=container,
        container_digest=container_digest,
    )


def acceptance() -> Acceptance:
    """Return the centre's decision at arrival."""
    return _read("acceptance.toml", Acceptance)


def _read(name: str, kind: type[T]) -> T:
    path = FOLDER / name
    try:
        body = read_paper(path.read_bytes(), str(path))
    except OSError as error:
        raise ConfigError(f"{path}: cannot read it: {error.strerror}") from error
    if not isinstance(body, kind):
        raise ConfigError(f"{path}: no {kind.__name__.lower()}")
    return body
