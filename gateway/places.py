"""Where committed records are, and reading them back.

A read that fails says nothing about the record: the machine may be short of
descriptors, a bus may have been reset. It is tried again by whoever asks again, and
only what could not be read :data:`~gateway.segment.READ_TRIES` times, by an error of
the disk, is taken for damage.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from gateway.segment import READ_TRIES, Segment, is_lasting


class Place(NamedTuple):
    """Where a record is.

    Places are compared by their sequences, which differ: ``lane`` keeps the rest of a
    comparison from being reached.
    """

    sequence: int
    lane: int
    position: int
    segment: Segment


class PlaceReader:
    """Reads records back; ``failures`` counts reads that failed."""

    def __init__(self) -> None:
        self.failures = 0
        self._tries: Counter[int] = Counter()

    def read(self, places: Sequence[Place]) -> list[bytes]:
        """Return the bytes at the places, up to the first that cannot be read now.

        Damage is read as no bytes at all.
        """
        found: list[bytes] = []
        for _, group in groupby(places, key=lambda place: id(place.segment)):
            wanted = list(group)
            read = self._read_segment(wanted)
            found += read
            if len(read) < len(wanted):
                break
        return found

    def _read_segment(self, places: list[Place]) -> list[bytes]:
        try:
            read = places[0].segment.read([place.position for place in places])
        except OSError as error:
            self.failures += 1
            if len(places) == 1:
                return self._judge(places[0].sequence, error)
            first = self._read_segment(places[:1])
            return first + self._read_segment(places[1:]) if first else []
        for sequence in self._tries.keys() & {place.sequence for place in places}:
            del self._tries[sequence]
        return read

    def _judge(self, sequence: int, error: OSError) -> list[bytes]:
        if not is_lasting(error):
            return []
        self._tries[sequence] += 1
        if self._tries[sequence] < READ_TRIES:
            return []
        del self._tries[sequence]
        return [b""]
