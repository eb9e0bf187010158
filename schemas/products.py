"""The product catalogue: what the label of a radioligand product says.

Label arithmetic uses the half-life that the label's own tables use, which is not
always the newest evaluation in :mod:`schemas.nuclides`.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources

import msgspec

from schemas.errors import UnknownWordError


class Product(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One product: activity per dose, concentration at calibration, limits."""

    name: str
    nuclide: str
    label_half_life_d: float
    concentration_gbq_per_ml: float
    activity_gbq: float
    tolerance_ratio: float
    shelf_life_h: float
    temperature_max_c: float
    temperature_min_c: float
    source: str


class _Catalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    edition: str
    products: dict[str, Product]


@cache
def catalogue() -> Mapping[str, Product]:
    """Return the products by their key, such as ``pluvicto``."""
    text = resources.files("schemas").joinpath("products.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), _Catalogue).products


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
