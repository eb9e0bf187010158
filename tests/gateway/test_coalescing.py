"""A flood is coalesced with a count; the first of its kind and silence always pass."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.coalescing import PER_MINUTE, EventLimiter
from schemas.events import Event, EventKind, Severity

NS = 10**9
MINUTE_NS = 60 * NS
KINDS = (EventKind.SHOCK, EventKind.TAMPER, EventKind.SENSOR_LOST)


def event(
    what: EventKind = EventKind.SHOCK, severity: Severity = Severity.ALARM
) -> Event:
    return Event(what, severity, 0, "")


def test_ten_a_minute_pass_and_the_rest_is_counted() -> None:
    limiter = EventLimiter()
    passed = [limiter.take(event(), i * NS) for i in range(25)]
    assert [e is not None for e in passed] == [True] * 10 + [False] * 15
    assert limiter.due(69 * NS) is None
    found = limiter.due(70 * NS)
    assert found is not None
    assert (found.what, found.severity) == (EventKind.COALESCED, Severity.ALARM)
    assert (found.count, found.from_boot_ns, found.to_boot_ns) == (15, 10 * NS, 70 * NS)
    assert "15 shock" in found.text
    assert limiter.due(500 * NS) is None


def test_the_window_slides() -> None:
    limiter = EventLimiter()
    for i in range(50):
        assert limiter.take(event(), i * 6 * NS) is not None
    assert limiter.rest(400 * NS) is None


def test_a_flood_of_shocks_does_not_drown_the_lid() -> None:
    limiter = EventLimiter()
    for _ in range(100):
        limiter.take(event(), 0)
    assert limiter.take(event(EventKind.TAMPER), NS) is not None


def test_a_flood_of_warnings_does_not_use_up_the_alarms() -> None:
    limiter = EventLimiter()
    for _ in range(100):
        limiter.take(event(severity=Severity.WARNING), 0)
    passed = [limiter.take(event(), NS) for _ in range(PER_MINUTE)]
    assert None not in passed


@pytest.mark.parametrize(
    "what", [EventKind.RADIO_SILENCE_BEGINS, EventKind.RADIO_SILENCE_ENDS]
)
def test_radio_silence_is_never_held_back(what: EventKind) -> None:
    limiter = EventLimiter()
    for severity in Severity:
        for _ in range(100):
            limiter.take(event(severity=severity), 0)
    for _ in range(30):
        assert limiter.take(event(what, Severity.INFO), NS) is not None


def test_severity_of_what_was_held() -> None:
    limiter = EventLimiter()
    for _ in range(11):
        limiter.take(event(severity=Severity.INFO), 0)
    found = limiter.rest(NS)
    assert found is not None
    assert (found.severity, found.count) == (Severity.WARNING, 1)
    assert found.to_boot_ns == NS


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 20 * NS),
            st.sampled_from(KINDS),
            st.sampled_from(list(Severity)),
        ),
        max_size=120,
    )
)
def test_nothing_is_hidden(steps: list[tuple[int, EventKind, Severity]]) -> None:
    limiter, now_ns, stated, passed_at = EventLimiter(), 0, 0, []
    for wait_ns, what, severity in steps:
        now_ns += wait_ns
        if limiter.take(event(what, severity), now_ns) is not None:
            stated += 1
            passed_at.append(now_ns)
        due = limiter.due(now_ns)
        stated += 0 if due is None else due.count or 0
    rest = limiter.rest(now_ns)
    stated += 0 if rest is None else rest.count or 0
    assert stated == len(steps)
    for at_ns in passed_at:
        within = [t for t in passed_at if at_ns <= t < at_ns + MINUTE_NS]
        assert len(within) <= 2 * (PER_MINUTE + len(KINDS) - 1)
