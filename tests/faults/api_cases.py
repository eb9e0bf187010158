"""The programming interface under requests that nobody would write by hand.

    python -m tests.faults.api_cases --cases 10000 --seed 1 [--json]

schemathesis makes them from the server's own OpenAPI document, for a real server
process over a populated ledger. A case fails on a status of 5xx, on a status or a
content type that the document does not name, and on a body that breaks its schema.
Two of three cases ask for things that exist; every second one has the operators' token.
The stream of ``/api/live`` has no end and is left to its own test.
"""

import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, Final

import hypothesis
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)

from tests import builders
from tests.builders import GATEWAY, SHIPMENT, Author
from tests.faults.rig import Finding, conclude, hush, print_progress, rig_parser
from tests.service import Service, served

CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
FULL_CASES: Final = 10_000
ENDLESS: Final = "/api/live"
_AT_ONCE: Final = 25
_KNOWN: Final = {"shipment": SHIPMENT, "gateway": GATEWAY}
# Made by schemathesis at run time, with no type of its own.
ApiCase = Any
_ROUNDS_MAX: Final = 1000


@schemathesis.serializer("application/cose")
def _as_bytes(_context: object, value: object) -> bytes:
    """Hand a binary body over as it is."""
    return value if isinstance(value, bytes) else str(value).encode()


class Campaign:
    """Counts cases and keeps what failed."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.cases = 0
        self.statuses: Counter[int] = Counter()
        self.operations: Counter[str] = Counter()
        self.failures: list[str] = []

    def judge(self, case: ApiCase, *, is_known: bool, is_operator: bool) -> None:
        """Send one case and judge the answer; a failure stops hypothesis here."""
        self.cases += 1
        if is_known and case.path_parameters:
            known = {k: v for k, v in _KNOWN.items() if k in case.path_parameters}
            case.path_parameters.update(known)
        if is_known and case.operation.path == "/api/facts":
            case.body = _bent(case.body)
        headers = {}
        if is_operator:
            headers["Authorization"] = f"Bearer {self._service.token}"
        response = case.call(headers=headers, timeout=60.0)
        self.statuses[response.status_code] += 1
        self.operations[case.operation.label] += 1
        case.validate_response(response, checks=CHECKS)


def _bent(noise: object) -> bytes:
    """Return a sealed fact of somebody known, whole or with noise in it."""
    sealed = bytearray(Author("order-desk").state(builders.order()))
    data = noise if isinstance(noise, bytes) else b""
    for place, byte in enumerate(data[:4]):
        sealed[(place * 97 + byte) % len(sealed)] ^= byte
    return bytes(sealed)


def attack(service: Service, cases: int, first_seed: int) -> Campaign:
    """Send about as many cases, the same for the same seed."""
    schema = schemathesis.openapi.from_url(f"{service.address}/api/openapi.json")
    every: list[Any] = [found.ok() for found in _results(schema)]
    operations = [one for one in every if one.path != ENDLESS]
    campaign = Campaign(service)
    for turn in range(_ROUNDS_MAX):
        for operation in operations:
            left = cases - campaign.cases
            if left > 0:
                most = min(_AT_ONCE, left)
                _attack(campaign, operation, most, first_seed + turn)
        if campaign.cases >= cases:
            break
        print_progress(f"{campaign.cases} of {cases} cases")
    return campaign


def _results(schema: Any) -> list[Any]:  # noqa: ANN401 - schemathesis' own
    return list(schema.get_all_operations())


def _attack(
    campaign: Campaign,
    operation: Any,  # noqa: ANN401 - schemathesis' own
    most: int,
    with_seed: int,
) -> None:
    @seed(with_seed)
    @settings(
        max_examples=most,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        verbosity=hypothesis.Verbosity.quiet,
    )
    @given(
        case=operation.as_strategy(),
        is_known=st.sampled_from((True, True, False)),
        is_operator=st.booleans(),
    )
    def each(case: ApiCase, *, is_known: bool, is_operator: bool) -> None:
        campaign.judge(case, is_known=is_known, is_operator=is_operator)

    try:
        each()
    except (Exception, BaseExceptionGroup) as error:
        campaign.failures.append(f"{operation.label}: {error}")


def find(cases: int, first_seed: int) -> list[Finding]:
    """Serve a populated ledger, attack it, and say what came of it."""
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as service:
        campaign = attack(service, cases, first_seed)
    for failure in campaign.failures:
        print_progress(failure)
    errors = sum(n for status, n in campaign.statuses.items() if status >= 500)
    statuses = ", ".join(f"{s}: {n:,}" for s, n in sorted(campaign.statuses.items()))
    measured = (
        f"{campaign.cases:,} cases over {len(campaign.operations)} operations; "
        f"statuses {statuses}; {errors} of 5xx, {len(campaign.failures)} operations "
        "with an answer that the document does not name"
    )
    return [
        Finding(
            "API",
            "schemathesis against the running service: no 5xx, no undocumented "
            "status, type or body in 10,000 cases",
            measured,
            not campaign.failures and not errors and campaign.cases >= cases,
            cases >= FULL_CASES,
        )
    ]


def main() -> int:
    """Run the campaign and print."""
    parser = rig_parser(__doc__)
    parser.add_argument("--cases", type=int, default=500)
    chosen = parser.parse_args()
    hush()
    return conclude(find(chosen.cases, chosen.seed), as_json=chosen.json)


if __name__ == "__main__":
    sys.exit(main())
