"""The outbox: durability, damage and limits."""

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.errors import ConfigError, OutboxError
from gateway.outbox import Priority
from gateway.segment import HEADER_BYTES, Disk, unpack_header
from gateway.watermark import Watermark, WatermarkFile
from schemas.envelope import ZERO_DIGEST, digest, split_sequence
from schemas.records import GapReason
from tests.gateway.outbox_chain import (
    add,
    add_gap,
    assert_linked,
    commit_each,
    filler,
    opened,
)
from tests.gateway.outbox_folder import (
    FOUR,
    SEGMENT_BYTES,
    open_outbox,
    segments,
    sequences,
)


def test_a_new_outbox_is_at_the_start_of_a_chain(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path / "new" / "outbox")
    assert len(outbox.epoch) == 8
    assert (outbox.next_sequence, outbox.head_digest) == (0, ZERO_DIGEST)
    assert (outbox.head_sequence, outbox.watermark) == (-1, -1)
    assert outbox.oldest_sequence == 0
    assert outbox.read(0) == outbox.latest() == []
    assert outbox.take_gaps() == []
    outbox.close()


def test_a_record_is_read_only_after_its_commit(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    sealed = add(outbox, filler(10))
    assert outbox.next_sequence == 1
    assert outbox.head_digest == digest(sealed)
    assert outbox.read(0) == []
    assert outbox.head_sequence == -1
    outbox.commit()
    assert outbox.read(0) == [(0, sealed, Priority.BULK)]
    assert outbox.digest_at(0) == digest(sealed)
    outbox.close()


def test_a_sequence_out_of_turn_is_refused(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    with pytest.raises(OutboxError, match="sequence 5"):
        outbox.add(b"x", 5, Priority.BULK)
    outbox.close()


def test_lanes_have_files_of_their_own_and_one_order(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    for at in range(12):
        add(outbox, filler(20), Priority.ALARM if at % 5 == 2 else Priority.BULK)
    outbox.commit()
    assert sequences(outbox) == list(range(12))
    assert outbox.alarms_pending() == [2, 7]
    assert [one.sequence for one in outbox.latest(3)] == [11, 10, 9]
    alarm_file = segments(tmp_path, "alarm")[0].read_bytes()[HEADER_BYTES:]
    assert len(list(split_sequence(alarm_file))) == 2
    outbox.release(6)
    assert outbox.alarms_pending() == [7]
    assert outbox.oldest_sequence == 7
    assert outbox.pending_receipt == 5
    assert_linked(outbox)
    outbox.close()


def test_read_keeps_to_its_limits(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    sealed = commit_each(outbox, 70, size=100)
    assert len(outbox.read(0)) == 60
    assert len(outbox.read(0, limit_bytes=len(sealed[0]) + len(sealed[1]))) == 2
    assert [one.sequence for one in outbox.read(68)] == [68, 69]
    outbox.close()


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    sealed = commit_each(outbox, 90, size=900)
    epoch = outbox.epoch
    outbox.remember_command(17)
    outbox.close()
    outbox = open_outbox(tmp_path)
    assert outbox.epoch == epoch
    assert (outbox.head_sequence, outbox.head_digest) == (89, digest(sealed[-1]))
    assert outbox.command_counter == 17
    assert sequences(outbox) == list(range(90))
    assert outbox.take_gaps() == []
    assert not (tmp_path / "damaged").exists()
    commit_each(outbox, 3)
    assert_linked(outbox)
    outbox.close()


def test_released_segments_become_spares_and_the_watermark_stays(
    tmp_path: Path,
) -> None:
    outbox = open_outbox(tmp_path)
    sealed = commit_each(outbox, 90, size=900)
    before = len(segments(tmp_path))
    outbox.release(80)
    assert len(segments(tmp_path)) == before  # given back by the next commit
    outbox.commit()
    assert len(segments(tmp_path)) < before
    assert len(list(tmp_path.glob("*.spare"))) == 2
    assert outbox.digest_at(80) == digest(sealed[80])
    assert outbox.digest_at(3) is None
    outbox.close()
    outbox = open_outbox(tmp_path)
    assert outbox.watermark == 80
    assert outbox.digest_at(80) == digest(sealed[80])
    assert outbox.next_sequence == 90
    outbox.close()


def test_no_sequence_is_used_twice_when_all_segments_are_gone(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    sealed = commit_each(outbox, 40)
    outbox.release(39)
    outbox.close()
    for path in segments(tmp_path):
        path.unlink()
    outbox = open_outbox(tmp_path)
    assert (outbox.next_sequence, outbox.head_digest) == (40, digest(sealed[39]))
    outbox.close()


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    code = (
        "import sys; from pathlib import Path; from gateway.outbox import Outbox;"
        "from gateway.errors import ConfigError\n"
        "try: Outbox.open(Path(sys.argv[1]))\n"
        "except ConfigError as error: sys.exit(str(error))"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    second = subprocess.run(command, capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert "used by another process" in second.stderr
    outbox.close()
    third = subprocess.run(command, capture_output=True, text=True, check=False)
    assert third.returncode == 0


def test_a_path_that_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=str(tmp_path / "file")):
        open_outbox(tmp_path / "file")


# Damage


def filled(folder: Path, count: int = 60) -> list[bytes]:
    outbox = open_outbox(folder)
    sealed = commit_each(outbox, count, size=900)
    outbox.close()
    return sealed


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x40
    path.write_bytes(data)


@pytest.mark.parametrize("offset", [0, 1, 10, 60, 300, 700, 1050])
def test_one_flipped_bit_costs_one_record_and_is_stated(
    tmp_path: Path, offset: int
) -> None:
    sealed = filled(tmp_path)
    first = segments(tmp_path)[0]
    flip(first, HEADER_BYTES + 3 * len(sealed[3]) + offset)
    outbox = open_outbox(tmp_path)
    (gap,) = outbox.take_gaps()
    lost = gap.from_sequence
    assert lost in (2, 3)
    assert gap[:4] == (lost, lost, digest(sealed[lost]), GapReason.DAMAGED)
    assert sequences(outbox) == [at for at in range(60) if at != lost]
    assert (tmp_path / "damaged" / first.name).exists()
    add_gap(outbox, gap)
    outbox.commit()
    outbox.close()
    # Stated and repaired: the next start finds nothing.
    outbox = open_outbox(tmp_path)
    assert outbox.take_gaps() == []
    assert outbox.storage_faults == 0
    outbox.close()


def test_what_is_stated_once_is_not_stated_again_but_what_was_not_is(
    tmp_path: Path,
) -> None:
    filled(tmp_path)
    segments(tmp_path)[1].unlink()
    outbox = open_outbox(tmp_path)
    (unstated,) = outbox.take_gaps()
    outbox.close()
    outbox = open_outbox(tmp_path)
    assert outbox.take_gaps() == [unstated]
    assert outbox.digest_at(unstated.to_sequence) == unstated.digest
    outbox.close()


def test_a_torn_tail_is_padded_and_writing_goes_on_there(tmp_path: Path) -> None:
    sealed = filled(tmp_path, 5)
    (path,) = segments(tmp_path)
    data = path.read_bytes()
    end = HEADER_BYTES + sum(map(len, sealed))
    path.write_bytes(data[: end - 70] + b"\0" * 30 + data[end - 40 :])
    outbox = open_outbox(tmp_path)
    assert outbox.head_sequence == 3
    assert outbox.take_gaps() == []
    assert path.read_bytes()[end - len(sealed[4]) :].strip(b"\0") == b""
    assert commit_each(outbox, 1, size=900)[0] == sealed[4]
    assert segments(tmp_path) == [path]
    assert not (tmp_path / "damaged").exists()
    outbox.close()


def test_what_a_segment_head_says_of_the_chain_is_not_used_again(
    tmp_path: Path,
) -> None:
    sealed = filled(tmp_path)
    before, newest = segments(tmp_path)[-2:]
    block = newest.read_bytes()[:HEADER_BYTES]
    newest.write_bytes(block.ljust(SEGMENT_BYTES, b"\0"))
    header = unpack_header(block)
    assert header is not None
    first = header.first
    content = before.read_bytes()
    flip(before, content.index(sealed[first - 1]) + len(sealed[first - 1]) - 5)
    outbox = open_outbox(tmp_path)
    assert outbox.next_sequence == first
    lost = (first - 1, first - 1, digest(sealed[first - 1]), GapReason.DAMAGED)
    assert [gap[:4] for gap in outbox.take_gaps()] == [lost]
    assert outbox.head_digest == digest(sealed[first - 1])
    outbox.close()


def test_a_spare_that_is_not_blank_is_given_up(tmp_path: Path) -> None:
    open_and_close(tmp_path)
    spare = tmp_path / "00000001.spare"
    spare.write_bytes(bytes(SEGMENT_BYTES - 1) + b"x")
    outbox = open_outbox(tmp_path)
    commit_each(outbox, 1)
    (path,) = segments(tmp_path)
    assert path.read_bytes()[-1:] == b"\0"
    outbox.close()


def test_copies_of_damage_are_bounded(tmp_path: Path) -> None:
    filled(tmp_path, 150)
    assert len(segments(tmp_path)) > 6
    for path in segments(tmp_path)[:6]:
        flip(path, HEADER_BYTES + 1500)
    outbox = open_outbox(tmp_path)
    assert len(list((tmp_path / "damaged").iterdir())) == 4
    assert len(outbox.take_gaps()) == 6
    outbox.close()


def test_damage_at_run_time_is_noticed_at_reading(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    sealed = commit_each(outbox, 60, size=900)
    flip(segments(tmp_path)[0], HEADER_BYTES + 3 * len(sealed[3]) + 500)
    assert sequences(outbox) == [at for at in range(60) if at != 3]
    (gap,) = outbox.take_gaps()
    assert gap[:4] == (3, 3, digest(sealed[3]), GapReason.DAMAGED)
    outbox.close()


@pytest.mark.parametrize("content", [b"", b"\xff" * 5000, bytes(SEGMENT_BYTES)])
@pytest.mark.parametrize("is_newest", [True, False])
def test_behind_a_segment_that_tells_nothing_no_sequence_is_used_again(
    tmp_path: Path, content: bytes, is_newest: bool
) -> None:
    filled(tmp_path)
    outbox = open_outbox(tmp_path)
    add(outbox, filler(10), Priority.ALARM)  # the newest of the other lane
    if is_newest:
        commit_each(outbox, 30, size=900)
    outbox.commit()
    epoch, used = outbox.epoch, outbox.next_sequence
    outbox.close()
    segments(tmp_path, "bulk")[-1].write_bytes(content)
    for _ in range(3):  # and starting again changes nothing
        outbox = open_outbox(tmp_path)
        assert outbox.epoch == epoch
        gaps = outbox.take_gaps()
        assert gaps[-1].to_sequence == outbox.next_sequence - 1 >= used
        kept = sequences(outbox)
        assert set(range(40)) <= set(kept)
        stated = {at for gap in gaps for at in range(gap[0], gap[1] + 1)}
        assert stated | set(kept) == set(range(outbox.next_sequence))
        begins, digest_there = outbox.next_sequence, outbox.head_digest
        outbox.close()
    outbox = open_outbox(tmp_path)
    assert (outbox.next_sequence, outbox.head_digest) == (begins, digest_there)
    for gap in outbox.take_gaps():
        add_gap(outbox, gap)
    outbox.commit()
    outbox.close()
    outbox = open_outbox(tmp_path)
    assert outbox.take_gaps() == []
    assert outbox.next_sequence == begins + len(gaps)
    outbox.close()


def open_and_close(folder: Path) -> bytes:
    outbox = open_outbox(folder)
    outbox.close()
    return outbox.epoch


def test_without_its_watermark_the_store_is_still_read(tmp_path: Path) -> None:
    filled(tmp_path)
    epoch = open_and_close(tmp_path)
    (tmp_path / "watermark").unlink()
    outbox = open_outbox(tmp_path)
    assert outbox.epoch == epoch
    assert sequences(outbox) == list(range(60))
    assert outbox.take_gaps() == []
    outbox.close()


def test_new_epoch_puts_the_old_chain_away(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path)
    commit_each(outbox, 30, size=900)
    old = outbox.epoch
    outbox.new_epoch()
    assert outbox.epoch != old
    assert (outbox.next_sequence, outbox.head_digest) == (0, ZERO_DIGEST)
    assert sequences(outbox) == []
    first = commit_each(outbox, 1)[0]
    assert opened(first).header.epoch == outbox.epoch
    kept = list((tmp_path / "retired").iterdir())
    assert all(path.name.startswith(old.hex()) for path in kept)
    new = outbox.epoch
    outbox.close()
    outbox = open_outbox(tmp_path)
    assert (outbox.epoch, outbox.head_sequence) == (new, 0)
    outbox.close()


def test_watermark_survives_a_torn_slot(tmp_path: Path) -> None:
    file = WatermarkFile(tmp_path, Disk())
    first = Watermark(b"12345678", 5, b"a" * 32, 1)
    second = Watermark(b"12345678", 9, b"b" * 32, 2)
    file.save(first)
    file.save(second)
    assert WatermarkFile(tmp_path, Disk()).load() == second
    for slot in (0, 4096):
        data = bytearray((tmp_path / "watermark").read_bytes())
        data[slot + 20] ^= 1
        (tmp_path / "watermark").write_bytes(data)
    assert WatermarkFile(tmp_path, Disk()).load() is None


# Limits


def test_over_the_limit_the_oldest_bulk_goes_and_is_stated(tmp_path: Path) -> None:
    outbox = open_outbox(tmp_path, FOUR)
    stated: list[range] = []
    digests: dict[int, bytes] = {}
    alarms: list[int] = []
    for at in range(200):
        is_alarm = at % 10 == 4
        sequence = outbox.next_sequence
        lane = Priority.ALARM if is_alarm else Priority.BULK
        digests[sequence] = digest(add(outbox, filler(0 if is_alarm else 900), lane))
        alarms += [sequence] if is_alarm else []
        outbox.commit()
        for gap in outbox.take_gaps():
            assert gap.reason is GapReason.DROPPED
            assert gap.digest == digests[gap.to_sequence]
            stated.append(range(gap.from_sequence, gap.to_sequence + 1))
    lost = {sequence for one in stated for sequence in one}
    assert lost
    assert not lost & set(alarms)
    assert sequences(outbox) == sorted(set(range(200)) - lost)
    assert outbox.alarms_pending() == alarms
    assert outbox.size_bytes <= FOUR.max_bytes + 2 * SEGMENT_BYTES
    assert outbox.storage_faults == 0
    outbox.close()
