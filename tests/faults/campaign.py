"""The rigs of ``make prove``: how each is called at full size, and alone or not."""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from tests.faults.rig import Finding

Json = object


class Rig(NamedTuple):
    """One rig of the campaign; ``name`` where that is not its module's.

    ``sizes`` are its size options at full size; ``minutes`` is what that takes on two
    cores that are otherwise idle, and ``cores`` how many it keeps busy. ``is_timed``
    says that it measures time or space of the machine, so that nothing may run beside
    it; ``read`` makes findings of what it printed.
    """

    module: str
    sizes: tuple[tuple[str, float], ...]
    name: str = ""
    minutes: float = 1.0
    cores: float = 1.0
    is_timed: bool = False
    group: str = "faults"
    package: str = "tests.faults"
    read: Callable[[Json, bool], Iterator[Finding]] | None = None

    @property
    def called(self) -> str:
        """What ``--only`` calls it."""
        return self.name or self.module

    def arguments(self, scale: float) -> list[str]:
        """Return its command line, sizes scaled, at least one of each."""
        words = ["-m", f"{self.package}.{self.module}"]
        for option, size in self.sizes:
            words += [f"--{option}", f"{max(round(size * scale), min(size, 1))}"]
        return words

    def findings(self, printed: Json, *, is_full: bool) -> list[Finding]:
        """Return the findings in what it printed as JSON."""
        read = self.read or _own_findings
        return list(read(printed, is_full))


def _own_findings(printed: Json, _is_full: bool) -> Iterator[Finding]:
    rows = printed.get("findings", []) if isinstance(printed, dict) else []
    for row in rows:
        yield Finding(**row)


def number(printed: Json, *path: str) -> int:
    """Return a number in nested JSON, 0 where there is none."""
    for name in path:
        printed = printed.get(name, 0) if isinstance(printed, dict) else 0
    return printed if isinstance(printed, int) else 0


def power_findings(printed: Json, is_full: bool) -> Iterator[Finding]:
    """Yield F2."""
    names = ("cuts", "cuts-in-recovery", "acknowledged", "lost", "unopenable")
    real = [number(printed, "real", name) for name in names]
    lost = number(printed, "control", "lost")
    cuts = number(printed, "control", "cuts")
    measured = (
        "{:,} cuts and {:,} more during recovery; {:,} records acknowledged, "
        "{:,} lost, {:,} folders that did not open".format(*real)
        + f"; control without fdatasync: {lost:,} lost in {cuts:,} cuts"
    )
    asked = "10,000 simulated power cuts, torn and reordered: 0 lost, 0 unopenable"
    is_held = real[0] > 0 and real[3] == real[4] == 0 and lost > 0
    yield Finding("F2", asked, measured, is_held, is_full)


_SIMULATED: Final = (
    "seeds",
    "sealed",
    "promised",
    "power-cut",
    "kill",
    "broker-crash",
    "ingestor-crash",
    "hostile",
    "eio",
    "enospc",
    "clock-step",
    "explained",
)


def simulation_findings(printed: Json, is_full: bool) -> Iterator[Finding]:
    """Yield F5's first half."""
    parts = [f"{name} {number(printed, name):,}" for name in _SIMULATED]
    failed = number(printed, "seeds-failed")
    is_held = failed == 0 and number(printed, "seeds") > 0
    yield Finding(
        "F5 seeds",
        "1,000 seeds of the simulation: the invariants hold",
        f"{', '.join(parts)}; seeds with a violation: {failed}",
        is_held,
        is_full,
    )


_NONE: Final = ({"seed": 0, "mutant": "none"},)


def mutant_findings(printed: Json, is_full: bool) -> Iterator[Finding]:
    """Yield F5's second half."""
    catches = printed if isinstance(printed, list) else []
    away = [one["mutant"] for one in catches if one["seed"] is None]
    slowest = max((one["seed"] or 0, one["mutant"]) for one in catches or _NONE)
    measured = f"{len(catches) - len(away)} of {len(catches)} caught"
    measured += f", the slowest at seed {slowest[0]} ({slowest[1]})"
    if away:
        measured += f"; not: {', '.join(away)}"
    yield Finding(
        "F5 mutants",
        "each of at least 20 mutants dead within 50 seeds",
        measured,
        not away and len(catches) >= 20,
        is_full,
    )


_BENCH: Final = "tests.benchmarks"
_DETECTION: Final = "tests.detection"

RIGS: Final = (
    Rig("outage", (("hours", 72),), minutes=3.5, is_timed=True),
    Rig(
        "receipt_latency",
        (("gateways", 1_000), ("seconds", 60)),
        minutes=1.1,
        is_timed=True,
    ),
    Rig(
        "bench_gateway",
        (("seconds", 10),),
        minutes=1.3,
        is_timed=True,
        package=_BENCH,
    ),
    Rig("opening", (("mib", 256),), minutes=0.4, is_timed=True),
    Rig("disk_bytes", (("records", 2_400),), minutes=0.1, is_timed=True),
    Rig("soak", (("warm-up-s", 600), ("watch-s", 1200)), minutes=31, cores=0.1),
    Rig(
        "kill_nine",
        (("kills", 10_000), ("whole", 0)),
        "kill_nine_forks",
        minutes=27,
        cores=0.8,
    ),
    Rig(
        "simulation",
        (("seeds", 1_000),),
        minutes=26,
        read=simulation_findings,
    ),
    Rig(
        "kill_nine",
        (("kills", 0), ("whole", 500)),
        "kill_nine_whole",
        minutes=20,
    ),
    Rig(
        "servers_killed",
        (("broker", 100), ("ingest", 100), ("influx", 50)),
        minutes=14,
        cores=0.5,
    ),
    Rig("ext4_cuts", (("cuts", 2_000),), minutes=4),
    Rig("cable_pulls", (("pulls", 1_000),), minutes=2.6, cores=0.5),
    Rig("calls_fail", (("calls", 500),), minutes=7),
    Rig("mutants", (("seeds", 50),), minutes=2.3, read=mutant_findings),
    Rig("power_cuts", (("cuts", 10_000),), minutes=2, read=power_findings),
    Rig("full_disk", (("seconds", 30),), minutes=1.4, cores=0.2),
    Rig("clock_steps", (("boots", 400),), minutes=0.7),
    Rig("quota", (("days", 30),), minutes=0.7),
    Rig("serial_noise", (("mb", 1_000),), minutes=0.6),
    Rig("api_cases", (("cases", 10_000),), minutes=1.7, group="interface"),
    Rig(
        "bench_activity",
        (("runs", 4_000),),
        minutes=65,
        group="estimates",
        package=_BENCH,
    ),
    Rig(
        "bench_robustness",
        (("runs", 4_000),),
        minutes=30,
        group="estimates",
        package=_BENCH,
    ),
    Rig(
        "figures",
        (("days", 5_000), ("trials", 400)),
        "detection",
        minutes=30,
        group="estimates",
        package=_DETECTION,
    ),
    Rig("referees", (), group="estimates", package="tests.estimator"),
    Rig("bench_srs", (), is_timed=True, group="estimates", package=_BENCH),
    Rig(
        "bench_shock",
        (("events", 2_000), ("drops", 400)),
        minutes=5,
        group="estimates",
        package=_BENCH,
    ),
)
GROUPS: Final = tuple(dict.fromkeys(rig.group for rig in RIGS))
