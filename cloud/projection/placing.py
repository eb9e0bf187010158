"""From one record to the rows that it adds to the series."""

import math
from collections.abc import Iterator
from typing import Final

import msgspec

from cloud.adapters.series_rows import (
    AnswerRow,
    EventRow,
    LatestRow,
    PointRow,
    PositionRow,
    RecordRow,
    Rows,
    WitnessRow,
)
from cloud.ports import LedgerEntry
from schemas.estimates import Witness
from schemas.events import Event
from schemas.records import (
    Birth,
    Header,
    Heartbeat,
    Position,
    Record,
    Report,
    SensorSummary,
    Unprojectable,
)
from schemas.units import NS_PER_S

_MS: Final = 1_000_000
_STATES: Final = (Heartbeat, Birth, Report)


class Placed(msgspec.Struct, frozen=True):
    """A record with its ledger entry, the rank of its epoch, and its UTC."""

    entry: LedgerEntry
    record: Record
    rank: int
    utc_ns: int | None

    def instant_ns(self) -> int | None:
        """Return the instant of its points: rule 2."""
        if self.utc_ns is None:
            return None
        return self.utc_ns // _MS * _MS + self.record.header.sequence % _MS

    def utc_of(self, boot_ns: int | None) -> int | None:
        """Return the UTC of an instant of the record's boot."""
        if self.utc_ns is None or boot_ns is None:
            return None
        return self.utc_ns - (self.record.header.boot_ns - boot_ns)

    def latest(self, name: str, value: object) -> LatestRow:
        """Return the row that says that this is the newest of its name."""
        return LatestRow(
            self.record.header.gateway,
            name,
            self.rank,
            self.record.header.sequence,
            self.utc_ns,
            self.entry.received_at_ns,
            self.record.header.exercise,
            msgspec.json.encode(value),
        )


def record_row(entry: LedgerEntry, header: Header) -> RecordRow:
    """Return the row that says that a record is projected."""
    return RecordRow(
        header.gateway,
        header.epoch,
        header.sequence,
        entry.position,
        header.kind,
        entry.received_at_ns,
        header.exercise,
    )


def add_rows(placed: Placed, rows: Rows) -> None:
    """Add what a record says; what needs a date is added once it has one."""
    body = placed.record.body
    rows.latest.append(placed.latest("record", _clock_state(placed.record.header)))
    if isinstance(body, Unprojectable):
        return
    counter = getattr(body, "counter", None)
    if isinstance(counter, int):
        rows.answers.append(_answer_row(placed, counter))
    if isinstance(body, _STATES):
        rows.latest.append(placed.latest(placed.record.header.kind, body))
    if isinstance(body, Event):
        # An alarm does not wait for a clock: undated first, dated when it can be.
        rows.events.append(_event_row(placed, body))
    at_ns = placed.instant_ns()
    if at_ns is None:
        return
    if isinstance(body, Report):
        points = list(_report_points(placed, body, at_ns))
        rows.points.extend({row[:5]: row for row in reversed(points)}.values())
        rows.witnesses.extend(_witness_row(placed, w) for w in body.witnesses)
    elif isinstance(body, Position):
        _add_position(placed, body, at_ns, rows)


def _clock_state(header: Header) -> dict[str, object]:
    return {
        "epoch": header.epoch.hex(),
        "boot_ns": header.boot_ns,
        "time_source": header.time_source,
        "time_u_ns": header.time_u_ns,
    }


def _answer_row(placed: Placed, counter: int) -> AnswerRow:
    header, received_at_ns = placed.record.header, placed.entry.received_at_ns
    place = (header.kind, header.epoch, header.sequence)
    return AnswerRow(header.gateway, counter, *place, received_at_ns)


def _event_row(placed: Placed, event: Event) -> EventRow:
    header = placed.record.header
    return EventRow(
        header.gateway,
        header.epoch,
        header.sequence,
        placed.rank,
        placed.utc_of(event.from_boot_ns),
        placed.utc_of(event.to_boot_ns),
        placed.entry.received_at_ns,
        header.exercise,
        msgspec.json.encode(event),
    )


def _witness_row(placed: Placed, witness: Witness) -> WitnessRow:
    header = placed.record.header
    return WitnessRow(
        header.gateway,
        placed.rank,
        header.sequence,
        placed.utc_of(witness.to_boot_ns),
        placed.entry.received_at_ns,
        header.time_source,
        header.time_u_ns,
        msgspec.json.encode(witness),
    )


def _add_position(placed: Placed, body: Position, at_ns: int, rows: Rows) -> None:
    header = placed.record.header
    rows.positions.append(
        PositionRow(
            header.gateway,
            at_ns,
            header.epoch,
            body.fix,
            body.latitude_deg,
            body.longitude_deg,
            body.altitude_m,
        )
    )
    if body.latitude_deg is not None:
        rows.latest.append(placed.latest("position", body))


def _report_points(placed: Placed, report: Report, at_ns: int) -> Iterator[PointRow]:
    gateway, epoch = placed.record.header.gateway, placed.record.header.epoch
    for sensor in report.sensors:
        if sensor.mean is not None:
            key = (gateway, sensor.sensor, sensor.quantity, at_ns, epoch)
            yield PointRow(*key, sensor.mean, *_extremes(sensor, sensor.mean))
    for detector in report.detectors:
        if detector.live_time_ns:
            rate = detector.counts / (detector.live_time_ns / NS_PER_S)
            spread = math.sqrt(detector.counts) / (detector.live_time_ns / NS_PER_S)
            key = (gateway, detector.sensor, "count_rate_per_s", at_ns, epoch)
            yield PointRow(*key, rate, rate - spread, rate + spread)
    for witness in report.witnesses:
        for quantity, value, u in _witness_values(witness):
            key = (gateway, f"vial/{witness.vial}", quantity, at_ns, epoch)
            yield PointRow(*key, value, value - 2 * u, value + 2 * u)
    for estimate in report.estimates:
        value, u = estimate.activity_gbq, estimate.activity_u_gbq
        key = (gateway, f"vial/{estimate.vial}", "activity_gbq", at_ns, epoch)
        yield PointRow(*key, value, value - 2 * u, value + 2 * u)


def _extremes(sensor: SensorSummary, mean: float) -> tuple[float, float]:
    """Return minimum and maximum, the mean itself where they are not stated."""
    low, high = sensor.minimum, sensor.maximum
    return (mean if low is None else low, mean if high is None else high)


def _witness_values(witness: Witness) -> Iterator[tuple[str, float, float]]:
    """Yield quantity, value and standard uncertainty of what a witness says."""
    if witness.ratio is not None:
        yield "ratio", witness.ratio, witness.ratio_u or 0.0
    live_s = witness.live_time_ns / NS_PER_S
    if witness.expected_counts is None or not live_s:
        return
    # Both are gross counts of the same detectors over the same window.
    yield "expected_count_rate_per_s", witness.expected_counts / live_s, 0.0
    u = math.sqrt(witness.counts) / live_s
    yield "count_rate_per_s", witness.counts / live_s, u
