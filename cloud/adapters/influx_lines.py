"""Points as InfluxDB line protocol, and its names and back.

::

    reading,gateway=G,sensor=S,quantity=Q,epoch=HEX value=V,minimum=L,maximum=H NS
    position,gateway=G,epoch=HEX fix="3d",latitude_deg=..,longitude_deg=.. NS

Every field of a reading is a float. Tags are few by nature: one series per gateway,
sensor, quantity and epoch, and an epoch lasts as long as a gateway's store.
Measurement, tags and timestamp are a function of ledger data: what is written twice is
equal.

A comma, a space or an equals sign in a tag is escaped as the protocol has it. It has
no way to write others safely (a backslash may escape what follows it, a line feed ends
the line, an empty tag is none): those are written as ``%`` and the hexadecimal digits
of their UTF-8, an empty one as ``%``.
"""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote

from cloud.adapters.series_rows import PointRow, PositionRow, Rows

READING: Final = "reading"
POSITION: Final = "position"
EMPTY: Final = "%"
_UNSAFE: Final = re.compile(r"[%\\\x00-\x1f\x7f]")
_ESCAPED: Final = re.compile(r"[, =]")
_KEPT_KEYS: Final = 20_000


def tag_value(text: str) -> str:
    """Return what a store is told in place of ``text``, in tags and in queries."""
    return _UNSAFE.sub(lambda found: f"%{ord(found[0]):02X}", text) or EMPTY


def tag_text(value: str) -> str:
    """Return the text that :func:`tag_value` was given."""
    return "" if value == EMPTY else unquote(value, errors="strict")


def _escaped(text: str) -> str:
    return _ESCAPED.sub(r"\\\g<0>", tag_value(text))


class LineMaker:
    """Makes lines; keeps the escaped keys that it has made."""

    def __init__(self) -> None:
        self._keys: dict[tuple[str, str, str, bytes], str] = {}

    def lines(self, rows: Rows) -> list[str]:
        """Return the lines of the points and positions of ``rows``."""
        return [*self.points(rows.points), *map(_position_line, rows.positions)]

    def points(self, points: list[PointRow]) -> Iterator[str]:
        """Yield the lines of points."""
        keys = self._keys
        if len(keys) > _KEPT_KEYS:
            keys.clear()
        for gateway, sensor, quantity, at_ns, epoch, value, low, high in points:
            name = (gateway, sensor, quantity, epoch)
            key = keys.get(name) or keys.setdefault(name, _key(*name))
            yield f"{key} value={value!r},minimum={low!r},maximum={high!r} {at_ns}"


def _key(gateway: str, sensor: str, quantity: str, epoch: bytes) -> str:
    return (
        f"{READING},gateway={_escaped(gateway)},sensor={_escaped(sensor)},"
        f"quantity={_escaped(quantity)},epoch={epoch.hex()}"
    )


def _position_line(row: PositionRow) -> str:
    names = ("latitude_deg", "longitude_deg", "altitude_m")
    known = [
        (name, value) for name in names if (value := getattr(row, name)) is not None
    ]
    fields = [f'fix="{_quoted(row.fix)}"', *(f"{n}={value!r}" for n, value in known)]
    tags = f"gateway={_escaped(row.gateway)},epoch={row.epoch.hex()}"
    return f"{POSITION},{tags} {','.join(fields)} {row.at_ns}"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
