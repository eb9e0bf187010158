"""From one record to the rows that it adds to the series."""

import math
from collections.abc import Iterator
from typing import Final

import msgspec

from cloud.adapters.series_rows import (
    FINGERPRINT,
    HALF_LIFE,
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
from cloud.windows import Said
from schemas.estimates import FUSED_METHOD, Estimate, EstimateState, Witness
from schemas.events import Event
from schemas.records import (
    Birth,
    Body,
    Fingerprint,
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
    rows.latest.extend(_newest(placed, body))
    if isinstance(body, Event):
        # An alarm does not wait for a clock: undated first, dated when it can be.
        rows.events.append(_event_row(placed, body))
    at_ns = placed.instant_ns()
    if at_ns is None:
        return
    if isinstance(body, Report):
        points = list(_report_points(placed, body, at_ns))
        rows.points.extend({row[:5]: row for row in reversed(points)}.values())
        rows.witnesses.extend(_witness_row(placed, said) for said in _said(body))
    elif isinstance(body, Position):
        _add_position(placed, body, at_ns, rows)


def _newest(placed: Placed, body: Body) -> Iterator[LatestRow]:
    """Yield what a body is the newest of, for as long as no newer one comes."""
    if isinstance(body, _STATES):
        yield placed.latest(placed.record.header.kind, body)
    if isinstance(body, Fingerprint) and body.result is not None:
        yield placed.latest(FINGERPRINT, body.result)
    if isinstance(body, Report) and body.half_lives:
        yield placed.latest(HALF_LIFE, body.half_lives[0])


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


def _said(report: Report) -> Iterator[Said]:
    """Yield what a report says beside the certificate's activity, by vial."""
    fused = {e.vial: e for e in report.estimates if e.method == FUSED_METHOD}
    remaining = {one.vial: one for one in report.remaining}
    for witness in report.witnesses:
        vial = witness.vial
        yield Said(witness, fused.get(vial), remaining.get(vial))


def _witness_row(placed: Placed, said: Said) -> WitnessRow:
    header = placed.record.header
    return WitnessRow(
        header.gateway,
        placed.rank,
        header.sequence,
        placed.utc_of(said.witness.to_boot_ns),
        placed.entry.received_at_ns,
        header.time_source,
        header.time_u_ns,
        msgspec.json.encode(said),
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
    for vial, quantity, value, u in _vial_values(report):
        key = (gateway, f"vial/{vial}", quantity, at_ns, epoch)
        yield PointRow(*key, value, value - 2 * u, value + 2 * u)


def _vial_values(report: Report) -> Iterator[tuple[str, str, float, float]]:
    """Yield vial, quantity, value and standard uncertainty of what is estimated."""
    for witness in report.witnesses:
        for found in _witness_values(witness):
            yield witness.vial, *found
    for estimate in report.estimates:
        # One that is held is the certificate's again: there is none to draw.
        if (quantity := _activity_quantity(estimate)) is not None:
            u_gbq = estimate.activity_u_gbq
            yield estimate.vial, quantity, estimate.activity_gbq, u_gbq
    for one in report.remaining:
        if one.ratio is not None:
            yield one.vial, "remaining_ratio", one.ratio, one.ratio_u or 0.0


def _activity_quantity(estimate: Estimate) -> str | None:
    if estimate.method != FUSED_METHOD:
        return "activity_gbq"
    is_fused = estimate.state in {EstimateState.VALID, EstimateState.DEGRADED}
    return "fused_activity_gbq" if is_fused else None


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
