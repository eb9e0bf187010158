"""The papers of the journey: they lie in ``papers/``, as people would write them.

A Pluvicto vial of 12.5 GBq at calibration (12.5 mL at 1 GBq/mL) that holds 7.4 GBq
at the appointment, 119.5 hours later, from Ivrea to Heidelberg.
"""

from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import msgspec

from cloud.errors import ConfigError
from cloud.papers import read_paper
from schemas.facts import (
    Acceptance,
    Assay,
    CentreProfile,
    Certificate,
    Confirmation,
    Consignment,
    FactBody,
    Order,
    Survey,
)
from schemas.nuclides import decay_factor, nuclide
from schemas.units import NS_PER_S

FOLDER: Final = Path(__file__).parent / "papers"
# As the papers have them; read here they would be needed wherever this is imported.
SHIPMENT: Final = "S-2026-1147"
SEAL: Final = "DT-884213"
_MONITORING_NS: Final = 1800 * NS_PER_S
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


def confirmation() -> Confirmation:
    """Return the producer's answer to the order."""
    return _read("confirmation.toml", Confirmation)


def profile() -> CentreProfile:
    """Return the centre's own figures."""
    return _read("centre-profile.toml", CentreProfile)


def survey_at(utc_ns: int) -> Survey:
    """Return the survey at dispatch, as taken at an instant."""
    return msgspec.structs.replace(_read("survey.toml", Survey), measured_at_ns=utc_ns)


def assay_at(utc_ns: int) -> Assay:
    """Return the centre's assay of the same vial, as measured at an instant."""
    paper = _read("assay.toml", Assay)
    elapsed_s = (utc_ns - paper.measured_at_ns) / NS_PER_S
    factor = decay_factor(
        nuclide(certificate().contents.nuclide).half_life_s, elapsed_s
    )
    return msgspec.structs.replace(
        paper,
        measured_at_ns=utc_ns,
        activity_gbq=paper.activity_gbq * factor,
        activity_expanded_u_gbq=paper.activity_expanded_u_gbq * factor,
    )


def acceptance() -> Acceptance:
    """Return the centre's decision at arrival."""
    return _read("acceptance.toml", Acceptance)


def acceptance_at(utc_ns: int) -> Acceptance:
    """Return the centre's decision at an instant, half an hour after receipt."""
    received_ns = utc_ns - _MONITORING_NS
    return msgspec.structs.replace(
        acceptance(), received_at_ns=received_ns, surveyed_at_ns=utc_ns
    )


def _read(name: str, kind: type[T]) -> T:
    path = FOLDER / name
    try:
        body = read_paper(path.read_bytes(), str(path))
    except OSError as error:
        raise ConfigError(f"{path}: cannot read it: {error.strerror}") from error
    if not isinstance(body, kind):
        raise ConfigError(f"{path}: no {kind.__name__.lower()}")
    return body
