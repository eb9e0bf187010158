"""How the sensor board's decoder follows the sequence: lost, repeated, rebooted."""

import pytest

from gateway.sensors.board import Decoder
from schemas.readings import Noise
from tests.gateway.board_encoder import GOOD_BODIES, HELLO, TEMPERATURE, frame


def follow(*steps: tuple[int, int, int]) -> list[str]:
    """Feed frames of (kind, sequence, board_us); say what came of each."""
    decoder = Decoder()
    said = []
    for kind, sequence, board_us in steps:
        body = GOOD_BODIES.get(kind, b"")
        for event in decoder.feed(frame(kind, body, sequence, board_us)):
            if isinstance(event, Noise):
                said.append(f"{event.reason} {event.size}")
            else:
                said.append("reading")
    return said


T = TEMPERATURE


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        # The first frame, wherever the sequence stands, and its successors.
        ([(T, 700, 1), (T, 701, 2), (T, 702, 2)], ["reading"] * 3),
        # The sequence wraps.
        ([(T, 65535, 1), (T, 0, 2), (T, 1, 3)], ["reading"] * 3),
        ([(T, 65534, 1), (T, 1, 2)], ["reading", "lost 2", "reading"]),
        # Frames are missing, up to the largest step forward.
        ([(T, 5, 1), (T, 7, 2)], ["reading", "lost 1", "reading"]),
        ([(T, 0, 1), (T, 32767, 2)], ["reading", "lost 32766", "reading"]),
        ([(T, 0, 1), (T, 32768, 2)], ["reading"] * 2),
        # A repetition is dropped, and the next frame follows it.
        (
            [(T, 5, 1), (T, 5, 1), (T, 5, 1), (T, 6, 2)],
            ["reading", "repeated 1", "repeated 1", "reading"],
        ),
        # Back without HELLO, in sequence or in time: a reboot, followed from there.
        ([(T, 9, 9), (T, 2, 10), (T, 3, 11)], ["reading"] * 3),
        ([(T, 9, 9), (T, 12, 3), (T, 13, 4)], ["reading"] * 3),
        ([(T, 9, 9), (T, 9, 3), (T, 11, 4)], ["reading"] * 2 + ["lost 1", "reading"]),
        ([(T, 9, 9), (T, 9, 10)], ["reading"] * 2),
        # HELLO starts anew whatever it carries.
        ([(T, 9, 9), (HELLO, 0, 10**6), (T, 1, 10**6)], ["reading"] * 3),
        ([(T, 9, 9), (HELLO, 20, 10**6), (T, 21, 10**6)], ["reading"] * 3),
        # A refused frame takes its place in the sequence.
        ([(T, 5, 1), (0x42, 6, 2), (T, 7, 3)], ["reading", "unknown 15", "reading"]),
        (
            [(T, 5, 1), (0x42, 8, 2), (0x42, 8, 2)],
            ["reading", "lost 2", "unknown 15", "repeated 1"],
        ),
    ],
)
def test_sequence(steps: list[tuple[int, int, int]], said: list[str]) -> None:
    assert follow(*steps) == said
