"""Bugs that the simulation must notice: each one patch of a real class.

    .venv/bin/python -m tests.faults.mutants --seeds 50 [--only NAME] [--json]

A mutant is caught at the first seed at which an invariant does not hold.
"""

import argparse
import json
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

from tests.faults import cloud_mutants, gateway_mutants
from tests.faults.patching import Patch
from tests.faults.rig import print_progress, simulation_arguments
from tests.faults.simulation import simulate

# A seed takes 2 to 4 s of processor time.
MOST_CPU_S: Final = 10.0


MUTANTS: Final[tuple[Patch, ...]] = (
    gateway_mutants.prune_on_puback,
    gateway_mutants.no_fsync,
    cloud_mutants.no_verification,
    cloud_mutants.no_dedupe,
    cloud_mutants.receipt_before_commit,
    gateway_mutants.publish_before_fsync,
    gateway_mutants.fsync_retried,
    gateway_mutants.directory_not_synced,
    gateway_mutants.sequence_reused,
    gateway_mutants.epoch_kept_after_a_wipe,
    gateway_mutants.receipt_digest_unchecked,
    gateway_mutants.alarm_dropped,
    gateway_mutants.enospc_swallowed,
    gateway_mutants.bulk_starves_live,
    cloud_mutants.late_overwrites_newer,
    gateway_mutants.torn_tail_accepted,
    gateway_mutants.gap_unrecorded,
    gateway_mutants.receipt_replayed,
    cloud_mutants.chain_link_unchecked,
    cloud_mutants.clock_step_reorders,
    gateway_mutants.receipt_seal_unchecked,
    cloud_mutants.topic_unchecked,
    gateway_mutants.watermark_not_saved,
    gateway_mutants.memory_forgets,
    gateway_mutants.memory_reserves_nothing,
    gateway_mutants.failed_read_is_damage,
    gateway_mutants.evidence_given_up_unstated,
    gateway_mutants.renamed_segment_forgotten,
)


class Catch(NamedTuple):
    """What became of a mutant: the seed and the invariants that caught it."""

    mutant: str
    seed: int | None
    invariants: tuple[str, ...]


class EndlessError(BaseException):
    """A mutant does not come to an end."""


@contextmanager
def _impatience() -> Iterator[None]:
    """Raise after :data:`MOST_CPU_S` of processor time."""

    def give_up(_number: int, _frame: object) -> None:
        raise EndlessError

    old = signal.signal(signal.SIGVTALRM, give_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, MOST_CPU_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, old)


def hunt(mutant: Patch, seeds: Sequence[int], days: float = 1.0) -> Catch:
    """Run seeds until one of them notices the mutant."""
    for seed in seeds:
        try:
            with mutant(), _impatience():
                violations = simulate(seed, days, is_hasty=True).violations
        except EndlessError:
            return Catch(mutant.__name__, seed, ("endless",))
        if violations:
            names = tuple(dict.fromkeys(one.invariant for one in violations))
            return Catch(mutant.__name__, seed, names)
    return Catch(mutant.__name__, None, ())


def main() -> int:
    """Hunt all mutants and say which got away."""
    parser = argparse.ArgumentParser(description=__doc__)
    simulation_arguments(parser, seeds=50)
    parser.add_argument("--only", help="name of one mutant")
    given = parser.parse_args()
    seeds = range(given.first, given.first + given.seeds)
    catches = []
    for mutant in MUTANTS:
        if given.only in (None, mutant.__name__):
            catch = hunt(mutant, seeds, given.days)
            catches.append(catch)
            found = "GOT AWAY" if catch.seed is None else f"seed {catch.seed}"
            print_progress(f"{catch.mutant:26} {found:9} {', '.join(catch.invariants)}")
    if given.json:
        print(json.dumps([one._asdict() for one in catches]))
    return int(any(one.seed is None for one in catches))


if __name__ == "__main__":
    sys.exit(main())
