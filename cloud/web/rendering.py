"""How a page is made of its template: one environment, one clock, one exercise mark."""

from pathlib import Path
from typing import Final

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cloud.arrival import is_waiting_for_vial
from cloud.detectors import (
    fingerprint_word,
    fused_word,
    half_life_word,
    remaining_word,
)
from cloud.figures import u_text, unit_of, value_text
from cloud.finding_words import dose_text, thermal_texts
from cloud.lane import risk_word
from cloud.web import formats
from cloud.web.desk import DELIVERY_S, Desk
from cloud.web.detector_answers import fused_at
from cloud.web.formats import certain_text
from cloud.web.whereabouts import leg_text
from cloud.web.wording import detail_text, event_text, manner_text
from schemas.products import edition

TEMPLATES: Final = Path(__file__).with_name("templates")
REPORT_INTERVAL_S: Final = 60.0
BEAT_INTERVAL_S: Final = 30.0


def _environment() -> Environment:
    found = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals.update(
        value_text=value_text,
        u_text=u_text,
        unit_of=unit_of,
        local_text=formats.local_text,
        zone_text=formats.zone_text,
        age_text=formats.age_text,
        duration_text=formats.duration_text,
        risk_word=risk_word,
        rfc3339=certain_text,
        edition=edition,
        is_waiting_for_vial=is_waiting_for_vial,
        leg_text=leg_text,
        detail_text=detail_text,
        dose_text=dose_text,
        thermal_texts=thermal_texts,
        event_text=event_text,
        fused_word=fused_word,
        fused_at=fused_at,
        remaining_word=remaining_word,
        half_life_word=half_life_word,
        fingerprint_word=fingerprint_word,
        manner_text=manner_text,
    )
    found.globals["parts"] = found.get_template("_parts.html").module
    return found


_pages: Final = _environment()


def page(template: str, desk: Desk, **values: object) -> HTMLResponse:
    """Return a page by its template's name."""
    now_ns, speed = desk.pace.read()
    latency_s = speed * DELIVERY_S
    return HTMLResponse(
        _pages.get_template(template).render(
            now_ns=now_ns,
            speed=speed,
            exercise=desk.clock.exercise,
            report_stale_s=round(2 * REPORT_INTERVAL_S + latency_s),
            beat_stale_s=round(3 * BEAT_INTERVAL_S + latency_s),
            **values,
        )
    )
