"""The outbox under power cuts at every call: what was committed is never lost."""

import os
import tempfile
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from gateway.outbox import Outbox, OutboxLimits, Priority
from tests.gateway.crash_disk import CrashDisk, PowerCut
from tests.gateway.outbox_chain import (
    OWN_KEY,
    add,
    add_gap,
    assert_linked,
    filler,
)

LIMITS = OutboxLimits(reserve_bytes=0, segment_bytes=18 * 1024)


class OutboxMachine(RuleBasedStateMachine):
    """``committed`` is what the outbox promised; ``added`` what may be lost."""

    @initialize(seed=st.integers(0, 2**32))
    def start(self, seed: int) -> None:
        self.temporary = tempfile.TemporaryDirectory()
        root = Path(self.temporary.name)
        self.folder = root / "outbox"
        self.power = CrashDisk(root / "trash", Random(seed))
        self.committed: dict[int, bytes] = {}
        self.added: dict[int, bytes] = {}
        self.released = -1
        self.surely_released = -1
        self.outbox = self.open()
        self.epoch = self.outbox.epoch

    def open(self) -> Outbox:
        return Outbox.open(
            self.folder,
            LIMITS,
            draw_epoch=lambda: b"epoch-01",
            own_key=OWN_KEY,
            disk=self.power.disk(),
        )

    def teardown(self) -> None:
        if hasattr(self, "outbox"):
            self.outbox.close()
            self.temporary.cleanup()

    @rule(
        size=st.sampled_from([10, 700, 4000, 9000]),
        priority=st.sampled_from(list(Priority)),
        count=st.integers(1, 5),
    )
    def add(self, size: int, priority: Priority, count: int) -> None:
        for _ in range(count):
            sequence = self.outbox.next_sequence
            assert sequence not in self.committed
            self.added[sequence] = add(self.outbox, filler(size), priority)

    @rule()
    def commit(self) -> None:
        self.outbox.commit()
        self.surely_released = self.released
        self.committed |= self.added
        self.added = {}
        assert self.outbox.storage_faults == 0

    @rule(part=st.sampled_from([0.3, 0.8, 1.0]))
    def release(self, part: float) -> None:
        oldest, head = self.outbox.watermark, self.outbox.head_sequence
        to = oldest + round((head - oldest) * part)
        self.outbox.release(to)
        self.released = max(self.released, to)

    @rule(calls=st.integers(0, 25))
    def commit_with_a_power_cut(self, calls: int) -> None:
        self.power.cut_after = calls
        try:
            self.commit()
        except PowerCut:
            self.power_returns(0, 0)
        else:
            self.power.cut_after = None

    @rule(again=st.integers(0, 3), calls=st.integers(0, 12))
    def power_returns(self, again: int, calls: int) -> None:
        """The power goes, and goes again while the outbox recovers."""
        self.outbox._lanes.forget()
        self.let_go_of_lock()
        self.power.cut()
        for _ in range(again):
            self.power.cut_after = calls
            try:
                self.outbox = self.open()
            except PowerCut:
                self.power.cut()
                continue
            self.power.cut_after = None
            self.outbox._lanes.forget()
            self.let_go_of_lock()
        self.outbox = self.open()
        self.check_recovered()

    def let_go_of_lock(self) -> None:
        # Not close(): that would settle what the power cut must lose.
        os.close(self.outbox._lock_file)
        self.outbox._lock_file = -1

    def check_recovered(self) -> None:
        head = self.outbox.head_sequence
        assert self.outbox.epoch == self.epoch
        assert self.surely_released <= self.outbox.watermark <= self.released
        assert head >= max(self.committed, default=-1)
        self.released = self.outbox.watermark
        survived = {seq: one for seq, one in self.added.items() if seq <= head}
        for dropped in self.outbox.take_gaps():
            lost = range(dropped.from_sequence, dropped.to_sequence + 1)
            assert not set(lost) & set(self.committed)
            for sequence in lost:
                del survived[sequence]
            add_gap(self.outbox, dropped)
            self.outbox.commit()
            gap = self.outbox.latest()[0]
            survived[gap.sequence] = gap.sealed
        self.committed |= survived
        self.added = {}

    @rule()
    def stop_and_start(self) -> None:
        self.outbox.close()
        self.outbox = self.open()
        self.surely_released = self.released
        assert self.outbox.watermark == self.released
        assert self.outbox.head_sequence == max(self.committed, default=-1)
        assert self.outbox.take_gaps() == []
        self.added = {}

    @precondition(lambda self: hasattr(self, "outbox"))
    @invariant()
    def nothing_committed_is_lost(self) -> None:
        wanted = {s: one for s, one in self.committed.items() if s > self.released}
        found: dict[int, bytes] = {}
        at = self.released + 1
        while records := self.outbox.read(at):
            found |= {record.sequence: record.sealed for record in records}
            at = records[-1].sequence + 1
        assert found == wanted

    @precondition(lambda self: hasattr(self, "outbox"))
    @invariant()
    def the_chain_is_unbroken(self) -> None:
        assert_linked(self.outbox, self.released + 1)


OutboxMachine.TestCase.settings = settings(
    max_examples=80,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
TestOutboxUnderPowerCuts = OutboxMachine.TestCase
