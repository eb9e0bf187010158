"""One table of names and keys for everything that is sealed.

Sealed maps have small unsigned integers as keys; this table says which name each
stands for, in headers and bodies alike. A key is never reused and never changes
its meaning: a field that is dropped leaves its line here. Unknown keys are kept in
the sealed bytes and ignored by the reader.
"""

from collections.abc import Mapping
from typing import Final

from schemas.cbor import Item
from schemas.errors import UnknownWordError

KEYS: Final[Mapping[str, int]] = {
    # header of everything
    "version": 0,
    "gateway": 1,
    "epoch": 2,
    "sequence": 3,
    "kind": 4,
    "previous": 5,
    "boot_id": 6,
    "boot_ns": 7,
    "utc_ns": 8,
    "time_source": 9,
    "time_u_ns": 10,
    "exercise": 11,
    "body": 12,
    "author": 13,
    "fact": 14,
    "counter": 15,
    "expires_ns": 16,
    # intervals and sensors
    "from_boot_ns": 17,
    "to_boot_ns": 18,
    "sensor": 19,
    "sensors": 20,
    "quantity": 21,
    "count": 22,
    "valid": 23,
    "mean": 24,
    "minimum": 25,
    "maximum": 26,
    "detectors": 27,
    "counts": 28,
    "live_time_ns": 29,
    "real_time_ns": 30,
    "temperature_c": 31,
    "attitude": 32,
    "lines": 33,
    "line": 34,
    "readings": 35,
    "noise": 36,
    "lost": 37,
    "is_open": 38,
    "reason": 39,
    # estimates
    "estimates": 40,
    "vial": 41,
    "at_ns": 42,
    "state": 43,
    "reasons": 44,
    "method": 45,
    "nuclides": 46,
    "nuclide": 47,
    "reference_at_ns": 48,
    "activity_gbq": 49,
    "activity_u_gbq": 50,
    "log_covariance": 51,
    "half_life_s": 52,
    "witnesses": 53,
    "verdict": 54,
    "ratio": 55,
    "ratio_u": 56,
    "noticeable_ratio": 57,
    "expected_counts": 58,
    # birth, assignment
    "software": 59,
    "configuration_digest": 60,
    "container": 61,
    "container_digest": 62,
    "certificate": 63,
    "calibrated_at_ns": 64,
    "calibration_due_ns": 65,
    "shipment": 66,
    "contents": 67,
    "limits": 68,
    "product": 69,
    "activity_expanded_u_gbq": 70,
    "coverage_factor": 71,
    "reference_kind": 72,
    "offset_minutes": 73,
    "volume_ml": 74,
    "production_route": 75,
    "impurities": 76,
    "activity_ratio": 77,
    "activity_ratio_u": 78,
    "separated_at_ns": 79,
    "standard": 80,
    "document": 81,
    "temperature_min_c": 82,
    "temperature_max_c": 83,
    "expires_at_ns": 84,
    # position
    "latitude_deg": 85,
    "longitude_deg": 86,
    "altitude_m": 87,
    "fix": 88,
    "measured_at_ns": 89,
    "speed_m_s": 90,
    "track_deg": 91,
    "hdop": 92,
    "satellites": 93,
    # event, evidence
    "what": 94,
    "severity": 95,
    "value": 96,
    "limit": 97,
    "unit": 98,
    "text": 99,
    "expected_end_ns": 100,
    "evidence_parts": 101,
    "event_sequence": 102,
    "part": 103,
    "parts": 104,
    "started_boot_ns": 105,
    "rate_hz": 106,
    "filter_corner_hz": 107,
    "scale_m_s2": 108,
    "samples": 109,
    # fingerprint, heartbeat, clock, gap
    "step": 110,
    "head_sequence": 111,
    "head_digest": 112,
    "oldest_sequence": 113,
    "free_bytes": 114,
    "outbox_bytes": 115,
    "previous_source": 116,
    "utc_minus_boot_ns": 117,
    "from_sequence": 118,
    "to_sequence": 119,
    "digest": 120,
    # receipts
    "contiguous": 121,
    "ranges": 122,
    # facts
    "order": 123,
    "centre": 124,
    "planned_at_ns": 125,
    "prescribed_activity_gbq": 126,
    "tolerance_ratio": 127,
    "seal": 128,
    "legs": 129,
    "mode": 130,
    "origin": 131,
    "destination": 132,
    "departs_at_ns": 133,
    "arrives_at_ns": 134,
    "carrier": 135,
    "handover": 136,
    "role": 137,
    "giver": 138,
    "receiver": 139,
    "place": 140,
    "condition": 141,
    "seal_intact": 142,
    "outcome": 143,
    "checks": 144,
    "passed": 145,
    "remark": 146,
    "meter": 147,
    "nuclide_setting": 148,
    "of_fact": 149,
    # configuration command
    "settings": 150,
    "name": 151,
    "latest": 152,
    "age_ns": 153,
    "intervals": 154,
    "repeated": 155,
    # findings: shock, temperature, dose rate, verdict, place
    "value_u": 156,
    "shock": 157,
    "handling": 158,
    "duration_s": 159,
    "velocity_change_m_s": 160,
    "velocity_change_u_m_s": 161,
    "is_clipped": 162,
    "fall_s": 163,
    "drop_height_m": 164,
    "drop_height_u_m": 165,
    "damage_ratio": 166,
    "srs_maximax_m_s2": 167,
    "srs_positive_m_s2": 168,
    "srs_negative_m_s2": 169,
    "peak_m_s2": 170,
    "thermal": 171,
    "known_ns": 172,
    "gap_ns": 173,
    "certain_high_ns": 174,
    "possible_high_ns": 175,
    "certain_low_ns": 176,
    "possible_low_ns": 177,
    "is_gdp_valid": 178,
    "expanded_u_c": 179,
    "minimum_c": 180,
    "maximum_c": 181,
    "kinetic_c": 182,
    "kinetic_day_c": 183,
    "doses": 184,
    "integrity": 185,
    "is_confirmed": 186,
    "position_u_m": 187,
    "doubts": 188,
    "places": 189,
    "dwell_ns": 190,
    "last_latitude_deg": 191,
    "last_longitude_deg": 192,
    "last_fix_age_ns": 193,
    "route": 194,
    "radius_m": 195,
    # orders, lane, survey
    "concentration_gbq_per_ml": 196,
    "lot": 197,
    "zone_site": 198,
    "needs_approval": 199,
    "contact": 200,
    "confirmed": 201,
    "air_waybill": 202,
    "flight": 203,
    "cut_off_ns": 204,
    "arrives_u_s": 205,
    "occasion": 206,
    "surface_dose_rate_usv_h": 207,
    "dose_rate_at_1_m_usv_h": 208,
    "rules": 209,
    "instrument": 210,
    "label_transport_index": 211,
    "label_category": 212,
    "label_activity_gbq": 213,
    # decisions of people
    "about": 214,
    "released": 215,
    "gain_ratio": 216,
    "gain_ratio_u": 217,
    # centres
    "time_zone": 218,
    "preparation_s": 219,
    "survey_s": 220,
    "opens_minutes": 221,
    "closes_minutes": 222,
    "working_days": 223,
    "holidays": 224,
    "call_ratio": 225,
    "stop_ratio": 226,
    "received_at_ns": 227,
    "surveyed_at_ns": 228,
    "identity": 229,
    "calibrated_on_vial_ns": 230,
    "second_person": 231,
    "wipes": 232,
    "gross_cpm": 233,
    "background_cpm": 234,
    "efficiency": 235,
    "removal": 236,
    "area_cm2": 237,
    "meter_factor": 238,
    "background_gbq": 239,
    # return, disposal
    "un_number": 240,
    "labels_removed": 241,
    "disposal": 242,
    "mass_g": 243,
}
NAMES: Final[Mapping[int, str]] = {key: name for name, key in KEYS.items()}


def keyed(value: object) -> Item:
    """Replace names by keys in plain values, deeply.

    Raises:
        UnknownWordError: a name that the table does not have.
    """
    if isinstance(value, dict):
        return {_key(name): keyed(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [keyed(item) for item in value]
    return value  # type: ignore[return-value]  # scalars are checked by cbor.encode


def _key(name: str) -> int:
    try:
        return KEYS[name]
    except KeyError as error:
        raise UnknownWordError(f"no key for the name {name!r} in the table") from error


def named(item: Item) -> object:
    """Replace keys by names, deeply; unknown keys become ``#<key>``."""
    if isinstance(item, dict):
        return {NAMES.get(key, f"#{key}"): named(value) for key, value in item.items()}
    if isinstance(item, list):
        return [named(value) for value in item]
    return item
