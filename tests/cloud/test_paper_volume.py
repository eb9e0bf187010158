"""A volume by body weight, computed where it is typed; and the catalogue as a list."""

import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cloud.__main__ import app
from cloud.demo.papers import FOLDER
from cloud.paper_sheet import PaperError
from schemas.errors import UnknownWordError
from schemas.products import catalogue

RUNNER = CliRunner()
XOFIGO = """
paper = "certificate"
shipment = "S-1"
[[vials]]
vial = "X-1"
product = "xofigo"
nuclide = "Ra-223"
activity_mbq = 6.6
activity_expanded_u_percent = 5
coverage_factor = 2
reference_at = "2026-11-22T12:00:00+01:00"
reference_kind = "calibration"
volume_ml = 6
production_route = "no-carrier-added"
standard = "NIST"
"""


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    path = tmp_path / "xofigo.toml"
    path.write_text(XOFIGO)
    return path


def volume(path: Path, at: str, weight: str) -> Result:
    arguments = ["paper", "volume", str(path), "--at", at]
    return RUNNER.invoke(app, arguments, input=f"{weight}\n")


@pytest.mark.parametrize(
    ("at", "factor"),
    [
        ("2026-11-08T12:00:00-06:00", 2.296),
        ("2026-11-22T12:00:00-06:00", 0.982),
        ("2026-11-29T12:00:00-06:00", 0.643),
    ],
)
def test_the_volume_is_that_of_the_label_s_table(
    certificate: Path, at: str, factor: float
) -> None:
    """At 12:00 US Central Time, 7 h after the reference at 12:00 CET."""
    found = volume(certificate, at, "73")
    said = found.output.partition("mL")[0].split()
    assert float(said[-1]) == pytest.approx(73 * 55 / (factor * 1100), abs=0.011)
    assert "advisory: not a dosage determination" in found.output
    before = factor > 1
    assert found.exit_code == (1 if before else 0)
    assert ("before the reference instant" in found.output) is before


def test_what_a_person_must_look_at_is_said(certificate: Path) -> None:
    late = volume(certificate, "2026-12-21T12:00:00Z", "60")
    assert late.exit_code == 1
    assert "after the shelf life (unverified)" in late.output
    much = volume(certificate, "2026-12-06T12:00:00+01:00", "120")
    assert "the vial holds 6 mL" in much.output


@pytest.mark.parametrize("weight", ["0", "501", "seventy"])
def test_what_is_no_weight_is_asked_for_again(certificate: Path, weight: str) -> None:
    found = volume(certificate, "2026-11-23T12:00:00Z", f"{weight}\n70")
    assert found.exit_code == 0
    assert found.output.count("not kept, not sent") == 2


def test_nothing_is_sent_and_no_file_is_written(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise AssertionError("a connection was made")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    before = {path: path.read_bytes() for path in certificate.parent.iterdir()}
    assert volume(certificate, "2026-11-23T12:00:00Z", "70").exit_code == 0
    after = {path: path.read_bytes() for path in certificate.parent.iterdir()}
    assert after == before


def test_what_is_not_drawn_by_weight_is_refused() -> None:
    at = "2026-11-23T12:00:00Z"
    found = volume(FOLDER / "certificate.toml", at, "70")
    assert isinstance(found.exception, UnknownWordError)
    found = volume(FOLDER / "order.toml", at, "70")
    assert isinstance(found.exception, PaperError)
    assert "is of kind order: name a certificate" in str(found.exception)


def test_the_catalogue_says_what_is_unverified() -> None:
    lines = RUNNER.invoke(app, ["paper", "products"]).output
    assert all(f"{key}: " in lines for key in catalogue())
    assert "Xofigo, Ra-223, 6.6 MBq, by weight" in lines
    assert "shelf life 672 h (unverified)" in lines
