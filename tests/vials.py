"""Vials and questions about them, in hours since their calibration, for tests."""

import msgspec

from cloud.windows import Question, Statement
from schemas.contents import Contents
from schemas.estimates import Witness, WitnessVerdict
from schemas.nuclides import decay_factor
from schemas.products import product
from schemas.records import TimeSource
from schemas.units import NS_PER_S
from tests import builders
from tests.builders import START_NS

HOUR_NS = 3600 * NS_PER_S
LABEL_S = 6.647 * 86_400


def hours(instant_ns: int) -> float:
    return (instant_ns - START_NS) / HOUR_NS


def vial(
    activity_gbq: float, expanded_u: float = 0.05, key: str = "pluvicto"
) -> Contents:
    return msgspec.structs.replace(
        builders.contents(activity_gbq=activity_gbq),
        activity_expanded_u_gbq=activity_gbq * expanded_u,
        product=key,
    )


def question(contents: Contents, appointment_h: float, **changes: object) -> Question:
    given_values: dict[str, object] = {
        "contents": contents,
        "product": product(contents.product),
        "prescribed_activity_gbq": 7.4,
        "tolerance_ratio": 0.1,
        "appointment_ns": START_NS + round(appointment_h * HOUR_NS),
        "as_of_ns": START_NS,
    }
    return Question(**(given_values | changes))  # type: ignore[arg-type] # as named


def at_appointment_7400() -> Question:
    """A vial that holds exactly 7.4 GBq by the label, 60 hours after calibration."""
    return question(vial(7.4 / decay_factor(LABEL_S, 60 * 3600)), 60)


def witness(verdict: WitnessVerdict) -> Statement:
    word = Witness("V-1", "witness-1", verdict, 0, 1, 100, 1, 0.9, 0.02, 0.04)
    return Statement(word, START_NS, TimeSource.GPS, 1000)
