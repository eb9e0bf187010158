"""Sans-I/O decoders, one protocol a module: ``Decoder.feed(bytes)`` to readings.

To add a sensor: a module here with a ``Decoder``, a line in :data:`DECODERS`, a
capture with its expected readings, and a page in ``hw/boards/``.
"""

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from gateway.sensors import bgeigie, board, nmea
from schemas.readings import Noise, Reading


class Decoder(Protocol):
    """Bytes of one serial line to readings; any bytes, cut anywhere."""

    def feed(self, data: bytes) -> list[Reading | Noise]:
        """Return what ``data`` completes, oldest first."""


DECODERS: Final[Mapping[str, Callable[[str], Decoder]]] = {
    "board": board.Decoder,
    "nmea": nmea.Decoder,
    "bgeigie": bgeigie.Decoder,
}
