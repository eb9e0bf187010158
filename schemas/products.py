"""The product catalogue: what the label of a radioligand product says.

Label arithmetic uses the half-life that the label's own tables use, which is not
always the newest evaluation in :mod:`schemas.nuclides`.
"""

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from importlib import resources

import msgspec

from schemas.contents import ReferenceKind
from schemas.errors import UnknownWordError
from schemas.nuclides import decay_factor
from schemas.transport import UNVERIFIED
from schemas.units import S_PER_DAY


class Dosing(StrEnum):
    """How a dose comes out of what is delivered."""

    VIAL = "vial"
    WEIGHT = "weight"
    ORDER = "order"
    SITE = "site"


class Product(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One product: activity per dose, concentration at calibration, limits.

    What the label leaves open is absent. ``unverified`` names the fields whose primary
    text has not been read.
    """

    name: str
    nuclide: str
    dosing: Dosing
    label_half_life_d: float
    shelf_life_h: float
    temperature_max_c: float
    reference_kind: ReferenceKind
    source: str
    temperature_min_c: float | None = None
    concentration_gbq_per_ml: float | None = None
    volume_min_ml: float | None = None
    volume_max_ml: float | None = None
    activity_gbq: float | None = None
    activity_per_kg_gbq: float | None = None
    tolerance_ratio: float | None = None
    unverified: tuple[str, ...] = ()

    def mark(self, field: str) -> str:
        """Return what is shown behind a value: nothing, or that it is unverified."""
        return f" ({UNVERIFIED})" if field in self.unverified else ""

    def volume_by_weight_ml(self, weight_kg: float, elapsed_s: float) -> float:
        """Return the volume for a body weight, ``elapsed_s`` after the reference.

        The weight is a patient's: it is typed where this is used and never sent.

        Raises:
            UnknownWordError: this product is not dosed by weight.

        Source: Xofigo label, volume = weight * 55 / (decay factor * 1,100).
        """
        per_kg, per_ml = self.activity_per_kg_gbq, self.concentration_gbq_per_ml
        if per_kg is None or per_ml is None:
            raise UnknownWordError(f"{self.name} is not drawn by weight and volume")
        factor = decay_factor(self.label_half_life_d * S_PER_DAY, elapsed_s)
        return weight_kg * per_kg / (factor * per_ml)


class _Catalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    edition: str
    products: dict[str, Product]


@cache
def _read() -> _Catalogue:
    text = resources.files("schemas").joinpath("products.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), _Catalogue)


def catalogue() -> Mapping[str, Product]:
    """Return the products by their key, such as ``pluvicto``."""
    return _read().products


def product(key: str) -> Product:
    """Return one product.

    Raises:
        UnknownWordError: the catalogue has no such product; the message lists them.
    """
    try:
        return catalogue()[key]
    except KeyError as error:
        known = ", ".join(catalogue())
        raise UnknownWordError(f"unknown product {key!r}, known: {known}") from error


def edition() -> str:
    """Return the catalogue's edition."""
    return _read().edition
