"""500 cases of schemathesis against the running service; `make prove` sends 10,000."""

from tests.faults import api_cases


def test_no_request_breaks_the_service_or_its_document() -> None:
    (finding,) = api_cases.find(500, 1)
    assert finding.is_held, finding.measured
