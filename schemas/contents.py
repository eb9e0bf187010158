"""What is in the container: the vial as its calibration certificate gives it."""

import re
from enum import StrEnum
from typing import Annotated, Final

import msgspec

from schemas.errors import MalformedError

MAX_VIALS: Final = 1
# A container that sees that much more or less than its model is another container.
GAIN_RATIO_RANGE: Final = (0.2, 5.0)
MOST_GAIN_U_RATIO: Final = 0.1  # a gain less sure than this is none to work with
_GATEWAY_ID: Final = re.compile(r"[a-z0-9-]{3,32}")


class ReferenceKind(StrEnum):
    """Which instant the certificate's activity holds at."""

    CALIBRATION = "calibration"
    END_OF_PRODUCTION = "end-of-production"
    END_OF_SYNTHESIS = "end-of-synthesis"
    LABELLING_NOON = "labelling-noon"
    CUSTOMER = "customer"


class ProductionRoute(StrEnum):
    """How the nuclide was made; it decides the impurities that are expected."""

    CARRIER_ADDED = "carrier-added"
    NO_CARRIER_ADDED = "no-carrier-added"
    UNKNOWN = "unknown"


class Impurity(msgspec.Struct, frozen=True):
    """Activity of an impurity over that of the nuclide, at the reference instant."""

    nuclide: str
    activity_ratio: float
    activity_ratio_u: float


class Contents(msgspec.Struct, frozen=True, omit_defaults=True):
    """One vial as certified.

    ``activity_expanded_u_gbq`` is the certificate's expanded uncertainty with its
    ``coverage_factor``. ``offset_minutes`` is the zone in which the certificate
    states its reference instant; where it states none a person picked it, for the
    place ``zone_site``. ``document`` is the SHA-256 of the certificate.
    ``expires_at_ns`` is as printed on the vial.
    """

    vial: str
    product: str
    nuclide: str
    activity_gbq: float
    activity_expanded_u_gbq: float
    coverage_factor: float
    reference_at_ns: int
    reference_kind: ReferenceKind
    offset_minutes: int
    volume_ml: float
    production_route: ProductionRoute
    standard: str
    impurities: tuple[Impurity, ...] = ()
    separated_at_ns: int | None = None
    document: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)] | None = None
    concentration_gbq_per_ml: float | None = None
    lot: str | None = None
    expires_at_ns: int | None = None
    zone_site: str | None = None

    @property
    def activity_u_ratio(self) -> float:
        """Relative standard uncertainty (k = 1) of the certified activity."""
        return self.activity_expanded_u_gbq / self.coverage_factor / self.activity_gbq


class ProductLimits(msgspec.Struct, frozen=True, omit_defaults=True):
    """Limits that the product's label sets for its transport."""

    temperature_max_c: float
    temperature_min_c: float | None = None
    expires_at_ns: int | None = None


class ReleasedGain(msgspec.Struct, frozen=True):
    """The gain of a container's package detectors, as a named person released it.

    ``gain_ratio`` multiplies what the container model says the detectors see of a
    vial; its standard uncertainty ``gain_ratio_u`` (k = 1) is shared by all of them.
    It holds for ``nuclide``, from ``released_at_ns`` until before ``due_at_ns``.
    ``of_fact`` is the decision that released it, ``standard`` what it was measured
    against.
    """

    of_fact: Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
    nuclide: str
    gain_ratio: float
    gain_ratio_u: float
    standard: str
    released_by: str
    released_at_ns: int
    due_at_ns: int


def check_gain(gain: ReleasedGain, nuclide: str) -> None:
    """Refuse a gain that no estimate may rest on.

    Args:
        gain: the released gain.
        nuclide: of the vial that is to be followed with it.

    Raises:
        MalformedError: for another nuclide, out of bounds, too uncertain, or never
            in force; the message names the value.
    """
    least, most = GAIN_RATIO_RANGE
    if gain.nuclide != nuclide:
        raise MalformedError(f"gain released for {gain.nuclide}, the vial is {nuclide}")
    if not least <= gain.gain_ratio <= most:
        raise MalformedError(
            f"gain_ratio {gain.gain_ratio:g} is not within {least:g} and {most:g}"
        )
    if not 0.0 < gain.gain_ratio_u <= MOST_GAIN_U_RATIO * gain.gain_ratio:
        raise MalformedError(
            f"gain_ratio_u {gain.gain_ratio_u:g} is not above 0 and up to "
            f"{MOST_GAIN_U_RATIO:.0%} of gain_ratio {gain.gain_ratio:g}"
        )
    if not gain.released_at_ns < gain.due_at_ns:
        raise MalformedError("due_at_ns of the gain is not after released_at_ns")


def check_contents(contents: tuple[Contents, ...]) -> None:
    """Refuse contents that this version cannot follow.

    Raises:
        MalformedError: no vial, more than one vial, or impossible certificate
            values; the message names the vials or the value.
    """
    if len(contents) != MAX_VIALS:
        vials = ", ".join(vial.vial for vial in contents) or "none"
        raise MalformedError(
            f"a container carries exactly one vial in this version, got {vials}"
        )
    for vial in contents:
        for name in ("activity_gbq", "activity_expanded_u_gbq", "coverage_factor"):
            if not getattr(vial, name) > 0:
                raise MalformedError(f"{name} of vial {vial.vial} is not positive")


def check_gateway_id(gateway: str) -> str:
    """Return ``gateway`` if it is a gateway's name.

    Raises:
        MalformedError: it is not 3 to 32 of a-z, 0-9 and hyphen.
    """
    if _GATEWAY_ID.fullmatch(gateway) is None:
        raise MalformedError(f"{gateway!r} is no gateway name: 3 to 32 of a-z, 0-9, -")
    return gateway
