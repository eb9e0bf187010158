"""The one byte form of every sealed thing: deterministic CBOR, strictly read.

What is written follows RFC 8949 section 4.2.1: definite lengths, shortest
integers and floats, map keys ascending. What is read must be exactly that, or it
is refused, so that one value has one byte form and nothing hides in a signature's
shadow. The allowed items are few:

- integers of 64 bits, signed: what every database and language holds
- finite floats in their shortest form
- byte strings, UTF-8 text, ``false`` and ``true``
- arrays, and maps whose keys are unsigned integers

No tags, no ``null`` (a missing value is absent), no NaN, no infinity, nesting of
at most :data:`MAX_DEPTH`. The decoder is our own because general decoders accept
more than one thinks: duplicate keys, trailing bytes, tags that become dates or
compiled regular expressions. So is the encoder: a common one writes half of the
half-precision floats as singles.
"""

import math
import struct
from typing import Final

from schemas.errors import MalformedError

MAX_DEPTH: Final = 8
MAX_INT: Final = 2**63 - 1
MIN_INT: Final = -(2**63)

Item = int | float | bool | bytes | str | list["Item"] | dict[int, "Item"]

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_ARGUMENT_BYTES: Final = {24: 1, 25: 2, 26: 4, 27: 8}
_FLOAT_FORMATS: Final = {25: ">e", 26: ">f", 27: ">d"}
_FALSE, _TRUE = b"\xf4", b"\xf5"


def encode(value: Item) -> bytes:
    """Return the deterministic CBOR form of ``value``.

    Raises:
        MalformedError: a value that this profile does not allow, such as NaN.
    """
    return _encode(value, MAX_DEPTH)


def _encode(value: Item, depth: int) -> bytes:
    if isinstance(value, dict):
        _need_depth(depth)
        body = b"".join(
            _head(_UNSIGNED, key) + _encode(value[key], depth - 1)
            for key in sorted(map(_key, value))
        )
        return _head(_MAP, len(value)) + body
    if isinstance(value, list):
        _need_depth(depth)
        body = b"".join(_encode(item, depth - 1) for item in value)
        return _head(_ARRAY, len(value)) + body
    return _encode_scalar(value)


def _key(key: object) -> int:
    if type(key) is not int or not 0 <= key <= MAX_INT:
        raise MalformedError(f"map key {key!r} is no unsigned integer")
    return key


def _encode_scalar(value: int | float | bytes | str) -> bytes:
    if isinstance(value, bool):
        return _TRUE if value else _FALSE
    if isinstance(value, int):
        if not MIN_INT <= value <= MAX_INT:
            raise MalformedError(f"integer {value} does not fit 64 bits")
        return _head(_UNSIGNED, value) if value >= 0 else _head(_NEGATIVE, -1 - value)
    if isinstance(value, float):
        return _encode_float(value)
    if isinstance(value, bytes):
        return _head(_BYTES, len(value)) + value
    if isinstance(value, str):
        try:
            data = value.encode()
        except UnicodeEncodeError as error:
            raise MalformedError(f"{value!r} is no Unicode text") from error
        return _head(_TEXT, len(data)) + data
    raise MalformedError(f"{type(value).__name__} has no form in the contract")


def _encode_float(value: float) -> bytes:
    """Return the shortest of half, single and double that is exact."""
    if not math.isfinite(value):
        raise MalformedError(f"{value} cannot be written: leave the value out")
    for info in (25, 26):
        form = _FLOAT_FORMATS[info]
        try:
            data = struct.pack(form, value)
        except OverflowError:
            continue
        if struct.unpack(form, data)[0] == value:
            return bytes([_SIMPLE << 5 | info]) + data
    return b"\xfb" + struct.pack(">d", value)


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes([major << 5 | argument])
    width = next(w for w in _ARGUMENT_BYTES.values() if argument < 1 << 8 * w)
    info = 23 + width.bit_length()
    return bytes([major << 5 | info]) + argument.to_bytes(width, "big")


def _need_depth(depth: int) -> None:
    if depth < 1:
        raise MalformedError(f"nested deeper than {MAX_DEPTH}")


def decode(data: bytes) -> Item:
    """Read exactly one item that fills ``data``.

    Raises:
        MalformedError: not deterministic, not allowed, or followed by more bytes.
    """
    value, end = decode_from(data, 0)
    if end != len(data):
        raise MalformedError(f"{len(data) - end} bytes after the item")
    return value


def decode_from(data: bytes, offset: int) -> tuple[Item, int]:
    """Read one item at ``offset``; return it and the offset behind it.

    Raises:
        MalformedError: the bytes there are not one allowed item.
    """
    return _item(data, offset, MAX_DEPTH)


def _item(data: bytes, offset: int, depth: int) -> tuple[Item, int]:
    if offset >= len(data):
        raise MalformedError("ends in the middle of an item")
    major, info = data[offset] >> 5, data[offset] & 31
    if major == _SIMPLE:
        return _simple(data, offset, info)
    argument, at = _argument(data, offset, info)
    if major in (_UNSIGNED, _NEGATIVE):
        return (argument if major == _UNSIGNED else -1 - argument), at
    if major in (_BYTES, _TEXT):
        return _string(data, at, argument, major)
    if major in (_ARRAY, _MAP):
        _need_depth(depth)
        read = _array if major == _ARRAY else _map
        return read(data, at, argument, depth)
    raise MalformedError(f"tag {argument} at byte {offset} is not allowed")


def _argument(data: bytes, offset: int, info: int) -> tuple[int, int]:
    """Read the argument of an item's head in its shortest form only."""
    if info < 24:
        return info, offset + 1
    width = _ARGUMENT_BYTES.get(info)
    if width is None:
        raise MalformedError(f"indefinite or reserved length at byte {offset}")
    end = offset + 1 + width
    if end > len(data):
        raise MalformedError("ends in the middle of an item")
    argument = int.from_bytes(data[offset + 1 : end], "big")
    if argument < (24 if width == 1 else 1 << (4 * width)):
        raise MalformedError(f"integer not in its shortest form at byte {offset}")
    if argument > MAX_INT:
        raise MalformedError(f"integer at byte {offset} does not fit 64 bits")
    return argument, end


def _string(data: bytes, at: int, size: int, major: int) -> tuple[Item, int]:
    end = at + size
    if end > len(data):
        raise MalformedError("ends in the middle of a string")
    if major == _BYTES:
        return data[at:end], end
    try:
        return data[at:end].decode("utf-8"), end
    except UnicodeDecodeError as error:
        raise MalformedError(f"text at byte {at} is not UTF-8") from error


def _array(data: bytes, at: int, size: int, depth: int) -> tuple[Item, int]:
    # Every element takes a byte: a larger claim is refused before memory is spent.
    if size > len(data) - at:
        raise MalformedError("array longer than the bytes that are there")
    items: list[Item] = []
    for _ in range(size):
        item, at = _item(data, at, depth - 1)
        items.append(item)
    return items, at


def _map(data: bytes, at: int, size: int, depth: int) -> tuple[Item, int]:
    if 2 * size > len(data) - at:
        raise MalformedError("map longer than the bytes that are there")
    items: dict[int, Item] = {}
    last = -1
    for _ in range(size):
        if at >= len(data) or data[at] >> 5 != _UNSIGNED:
            raise MalformedError(f"map key at byte {at} is no unsigned integer")
        key, at = _argument(data, at, data[at] & 31)
        if key <= last:
            raise MalformedError(f"map key {key} is repeated or out of order")
        last = key
        items[key], at = _item(data, at, depth - 1)
    return items, at


def _simple(data: bytes, offset: int, info: int) -> tuple[Item, int]:
    if info in (20, 21):
        return info == 21, offset + 1
    form = _FLOAT_FORMATS.get(info)
    if form is None:
        raise MalformedError(f"null or reserved simple value at byte {offset}")
    end = offset + 1 + struct.calcsize(form)
    if end > len(data):
        raise MalformedError("ends in the middle of a float")
    value: float = struct.unpack(form, data[offset + 1 : end])[0]
    if not math.isfinite(value):
        raise MalformedError(f"{value} at byte {offset}: a missing value is absent")
    if _encode_float(value) != data[offset:end]:
        raise MalformedError(f"float not in its shortest form at byte {offset}")
    return value, end
