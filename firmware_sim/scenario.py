"""A scenario: one journey as TOML, checked in full before anything starts.

Unknown keys are refused, every instant carries its zone, legs follow one another
without a gap. Messages name the file, the key and what to do.
"""

import datetime as dt
from itertools import pairwise
from math import gcd
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from firmware_sim.errors import ScenarioError

SHIPPED: Final = Path(__file__).with_name("scenarios")
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

Instant = Annotated[dt.datetime, Meta(tz=True)]
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Ratio = Annotated[float, Meta(ge=0, le=1)]
Seconds = Annotated[int, Meta(ge=1, le=3600)]
Vector = tuple[float, float, float]


def utc_ns(instant: dt.datetime) -> int:
    """Return nanoseconds since the Unix epoch, exact to the microsecond."""
    return (instant - _EPOCH) // dt.timedelta(microseconds=1) * 1000


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Vial(_Part, frozen=True):
    """The dose: activity at calibration, filling, and the glass around it.

    ``impurities`` are activities per activity of the nuclide at calibration, by
    nuclide. Daughters grow in from ``separated_at``, calibration if absent.
    """

    calibrated_at: Instant
    activity_gbq: Positive
    volume_ml: Positive
    nuclide: str = "Lu-177"
    impurities: dict[str, Ratio] = {}
    separated_at: Instant | None = None
    radius_mm: Positive = 16.5
    height_mm: Positive = 52.0

    def calibrated_at_ns(self) -> int:
        """Return the calibration instant."""
        return utc_ns(self.calibrated_at)


class Pot(_Part, frozen=True):
    """The maker's lead pot; ``play_mm`` is how far the vial can move in it."""

    lead_mm: Positive
    inner_radius_mm: Positive
    play_mm: NotNegative


class Detector(_Part, frozen=True):
    """One counting tube, nominal values.

    ``backing_mm`` is lead between the tube and the pot (a reference that looks out).
    ``aperture_mm`` is the diameter of a bore through the pot's wall that shows the
    tube the whole vial; ``position_mm`` is then the bore's outer end.
    """

    position_mm: Vector
    length_mm: Positive = 90.0
    backing_mm: NotNegative = 0.0
    aperture_mm: NotNegative = 0.0
    dead_time_us: Positive = 190.0


class Spread(_Part, frozen=True):
    """How real detectors scatter about the nominal: standard deviations.

    ``common_ratio`` moves all tubes behind apertures together, ``sensitivity_ratio``
    each tube alone. ``paralysable_ratio`` is no deviation: the part of every dead
    time that a further particle prolongs.
    """

    sensitivity_ratio: NotNegative = 0.10
    common_ratio: NotNegative = 0.0
    dead_time_ratio: NotNegative = 0.03
    paralysable_ratio: Ratio = 0.05
    temperature_per_k: NotNegative = 0.002
    clock_ppm: NotNegative = 15.0


class Container(_Part, frozen=True):
    """The package and what is fitted to it."""

    pot: Pot
    detectors: Annotated[list[Detector], Meta(min_length=1, max_length=8)]
    spread: Spread = Spread()


class Periods(_Part, frozen=True):
    """Intervals between frames, whole seconds."""

    counts_s: Seconds = 1
    motion_s: Seconds = 1
    slow_s: Seconds = 10
    gnss_s: Seconds = 1

    def step_s(self) -> int:
        """Return the longest step that meets every period."""
        return gcd(self.counts_s, self.motion_s, self.slow_s, self.gnss_s)


class FaultRates(_Part, frozen=True):
    """Probabilities on one line."""

    flip_per_byte: Ratio = 0.0
    lost_per_frame: Ratio = 0.0
    duplicate_per_frame: Ratio = 0.0
    late_per_frame: Ratio = 0.0


class Faults(_Part, frozen=True):
    """Fault rates per line."""

    board: FaultRates = FaultRates()
    gps: FaultRates = FaultRates()


class Place(_Part, frozen=True):
    """A way point; the terrestrial background is that of the nominal tube."""

    latitude_deg: Annotated[float, Meta(ge=-90, le=90)]
    longitude_deg: Annotated[float, Meta(ge=-180, le=180)]
    altitude_m: float
    terrestrial_per_s: NotNegative


class Tunnel(_Part, frozen=True):
    """A stretch without sky: starts so long after the leg, lasts so long."""

    after_min: NotNegative
    for_s: Positive


class Leg(_Part, frozen=True):
    """One part of the journey, from the end of the one before until ``until``."""

    name: str
    kind: Literal["rest", "road", "flight"]
    until: Instant
    path: Annotated[list[str], Meta(min_length=1)]
    temperature_c: Annotated[float, Meta(ge=-40, le=70)]
    sky: Literal["open", "poor", "none"] = "open"
    tunnels: list[Tunnel] = []
    cruise_altitude_m: Annotated[float, Meta(ge=1000, le=15000)] = 11_000.0


class Act(_Part, frozen=True, omit_defaults=True):
    """What people do, announced on stdout for whoever plays them."""

    at: Instant
    what: Literal[
        "load", "fingerprint", "seal", "open", "close", "handover", "arrive", "accept"
    ]
    from_: str | None = msgspec.field(default=None, name="from")
    to: str | None = None
    place: str | None = None


class Event(_Part, frozen=True, omit_defaults=True):
    """What happens to the container or its cables, unannounced in the journey."""

    at: Instant
    what: Literal[
        "drop", "kick", "tilt", "displace", "lose", "breach",
        "neighbour", "screening", "fail", "clock", "reboot", "unplug",
    ]  # fmt: skip
    height_m: Annotated[float, Meta(gt=0, le=10)] | None = None
    speed_m_s: Annotated[float, Meta(gt=0, le=10)] | None = None
    tilt_deg: Annotated[float, Meta(ge=0, le=180)] | None = None
    displace_mm: float | None = None
    lost_ratio: Ratio | None = None
    detector: Annotated[int, Meta(ge=0, lt=8)] | None = None
    view_ratio: Ratio | None = None
    sensitivity_ratio: NotNegative | None = None
    noise_per_s: NotNegative | None = None
    rates_per_s: list[NotNegative] | None = None
    step_s: float | None = None
    for_s: Positive | None = None
    port: Literal["board", "gps"] | None = None


# What each event needs, and what it may have.
_NEEDS: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "drop": (("height_m",), ()),
    "kick": (("speed_m_s",), ()),
    "tilt": (("tilt_deg", "for_s"), ()),
    "displace": (("displace_mm",), ()),
    "lose": (("lost_ratio",), ()),
    "breach": (("detector", "view_ratio"), ()),
    "neighbour": (("rates_per_s", "for_s"), ()),
    "screening": (("rates_per_s", "for_s"), ()),
    "fail": (("detector", "sensitivity_ratio"), ("noise_per_s", "for_s")),
    "clock": (("step_s",), ()),
    "reboot": ((), ()),
    "unplug": (("port", "for_s"), ()),
}


class Scenario(_Part, frozen=True):
    """A whole journey."""

    name: str
    seed: Annotated[int, Meta(ge=0)]
    starts_at: Instant
    vial: Vial
    container: Container
    places: dict[str, Place]
    legs: Annotated[list[Leg], Meta(min_length=1)]
    periods: Periods = Periods()
    faults: Faults = Faults()
    acts: list[Act] = []
    events: list[Event] = []

    def starts_at_ns(self) -> int:
        """Return the first instant."""
        return utc_ns(self.starts_at)

    def ends_at_ns(self) -> int:
        """Return the instant at which the last leg ends."""
        return utc_ns(self.legs[-1].until)


def scenario_path(name: str) -> Path:
    """Return the file of a shipped scenario's bare name, or the path as given."""
    shipped = SHIPPED / f"{name}.toml"
    return shipped if "/" not in name and shipped.is_file() else Path(name)


def shipped_names() -> list[str]:
    """Return the bare names of the scenarios that come with the simulator."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def load_scenario(path: Path) -> Scenario:
    """Read and check a scenario.

    Raises:
        ScenarioError: names the file, the key and what is wrong with it.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        known = ", ".join(shipped_names())
        raise ScenarioError(
            f"{path}: {error.strerror}; give a file or one of: {known}"
        ) from error
    try:
        scenario = msgspec.toml.decode(text, type=Scenario)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: {error}") from error
    for problem in (*_order(scenario), *_names(scenario), *_fit(scenario)):
        raise ScenarioError(f"{path}: {problem}")
    return scenario


def _order(scenario: Scenario) -> list[str]:
    problems = []
    instants = [scenario.starts_at, *(leg.until for leg in scenario.legs)]
    for number, (before, after) in enumerate(pairwise(instants)):
        if after <= before:
            problems.append(f"legs[{number}].until: not after the leg before")
    agendas = {
        "acts": [act.at for act in scenario.acts],
        "events": [event.at for event in scenario.events],
    }
    for key, times in agendas.items():
        for number, at in enumerate(times):
            if not instants[0] <= at <= instants[-1]:
                problems.append(f"{key}[{number}].at: outside the journey")
    return problems


def _names(scenario: Scenario) -> list[str]:
    problems = []
    for number, leg in enumerate(scenario.legs):
        key = f"legs[{number}].path"
        problems += [
            f"{key}: no place {name!r} in [places]"
            for name in leg.path
            if name not in scenario.places
        ]
        if (leg.kind == "rest") != (len(leg.path) == 1):
            problems.append(
                f"{key}: one place for a rest, two or more for a {leg.kind}"
            )
        if number and leg.path[0] != scenario.legs[number - 1].path[-1]:
            problems.append(f"{key}: does not begin where the leg before ends")
    return problems


def _fit(scenario: Scenario) -> list[str]:
    vial, pot = scenario.vial, scenario.container.pot
    problems = []
    if vial.volume_ml * 1000 >= 3.14159 * vial.radius_mm**2 * vial.height_mm:
        problems.append("vial.volume_ml: does not fit into the vial")
    if vial.radius_mm + pot.play_mm > pot.inner_radius_mm:
        problems.append("container.pot.play_mm: the vial would leave the pot")
    for number, tube in enumerate(scenario.container.detectors):
        x, y, _z = tube.position_mm
        if (x * x + y * y) ** 0.5 <= pot.inner_radius_mm + pot.lead_mm:
            problems.append(
                f"container.detectors[{number}].position_mm: inside the lead"
            )
    for number, event in enumerate(scenario.events):
        found = _event_problems(event, scenario.container)
        problems += [f"events[{number}].{line}" for line in found]
    return problems


def _event_problems(event: Event, container: Container) -> list[str]:
    needs, may = _NEEDS[event.what]
    problems = [
        f"{key}: needed by {event.what!r}"
        for key in needs
        if getattr(event, key) is None
    ]
    properties = set(Event.__struct_fields__) - {"at", "what"}
    problems += [
        f"{key}: not a property of {event.what!r}"
        for key in sorted(properties - {*needs, *may})
        if getattr(event, key) is not None
    ]
    if abs(event.displace_mm or 0.0) > container.pot.play_mm:
        play_mm = container.pot.play_mm
        problems.append(f"displace_mm: the vial has {play_mm} mm of play")
    if (event.detector or 0) >= len(container.detectors):
        problems.append(f"detector: there are {len(container.detectors)}, from 0")
    return problems
