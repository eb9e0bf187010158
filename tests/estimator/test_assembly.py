"""Every nuclide of the table in every container of the project gives a model."""

import math
from pathlib import Path

import numpy as np
import pytest

from gateway.estimator.assembly import forward_model
from gateway.estimator.consistency import amount
from gateway.estimator.container import ContainerModel, read_container
from gateway.estimator.fused import fuse
from gateway.estimator.journal import Journal, journal
from gateway.estimator.model import ForwardModel
from schemas.contents import Contents
from schemas.estimates import EstimateState, WitnessVerdict
from schemas.nuclides import table
from schemas.units import NS_PER_S
from tests.estimator.worlds import REFERENCE_NS, contents

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "hw/containers").glob("*.toml"))
NAMES = [path.stem for path in FILES]
# What the models of the project's products carry, GBq.
ACTIVITY_GBQ = {"Ac-225": 0.01, "Ra-223": 0.0066, "Pb-212": 0.2, "Th-227": 0.0066}


def container(name: str) -> ContainerModel:
    path = FILES[NAMES.index(name)]
    return read_container(path.read_bytes(), path.name)


def vial(name: str) -> Contents:
    activity = ACTIVITY_GBQ.get(name, 7.4)
    return contents(
        nuclide=name,
        activity_gbq=activity,
        activity_expanded_u_gbq=0.05 * activity,
        impurities=(),
        separated_at_ns=REFERENCE_NS - 3600 * NS_PER_S,
    )


def as_expected(known: ForwardModel, n: int = 60) -> Journal:
    """Counts as the papers say, by the sums of exponentials written out."""
    begin = 3600.0 + 60.0 * np.arange(n, dtype=np.float64)
    weight = known.weight()
    counts = np.zeros((n, len(known.channels)))
    for i, channel in enumerate(known.channels):
        for k, term in enumerate(known.source.terms):
            age = begin + 30.0 - term.origin_s
            counts[:, i] += weight[i, k] * np.exp(-term.constant_per_s * age)
        rate = counts[:, i] + channel.terrestrial_rate_per_s + channel.cosmic_rate_per_s
        counts[:, i] = 60.0 * rate / (1.0 + rate * channel.dead_time_s)
    return journal(
        [c.sensor for c in known.channels],
        REFERENCE_NS,
        begin,
        np.rint(counts),
        temperature_c=25.0,
        pressure_hpa=1013.25,
    )


@pytest.mark.parametrize("file", NAMES)
@pytest.mark.parametrize("name", sorted(table()))
def test_every_nuclide_runs_and_says_what_is_seen(name: str, file: str) -> None:
    known = forward_model(container(file), vial(name), REFERENCE_NS)
    bins = as_expected(known)
    word = amount(known, bins)
    found = fuse(known, bins, REFERENCE_NS + 7200 * NS_PER_S)
    assert math.isfinite(found.activity_gbq)
    assert math.isfinite(found.activity_u_gbq)
    if word.verdict is WitnessVerdict.NOT_OBSERVABLE:
        assert word.reasons
    else:
        assert word.verdict is WitnessVerdict.AGREES
        assert word.ratio == pytest.approx(1.0, abs=0.5 * word.ratio_u)


@pytest.mark.parametrize(
    ("file", "verdict"),
    [
        ("inner-pair", WitnessVerdict.AGREES),
        ("overpack-10mm", WitnessVerdict.AGREES),
        ("overpack-25mm", WitnessVerdict.NOT_OBSERVABLE),
    ],
)
def test_three_containers_give_three_answers(
    file: str, verdict: WitnessVerdict
) -> None:
    known = forward_model(container(file), vial("Lu-177"), REFERENCE_NS)
    assert amount(known, as_expected(known)).verdict is verdict


@pytest.mark.parametrize("file", ["overpack-10mm", "overpack-25mm"])
def test_without_a_released_gain_there_is_no_fused_number(file: str) -> None:
    known = forward_model(container(file), vial("Lu-177"), REFERENCE_NS)
    found = fuse(known, as_expected(known), REFERENCE_NS + 7200 * NS_PER_S)
    assert found.state is EstimateState.NOT_OBSERVABLE
    assert "no released gain calibration of this container" in found.reasons


def test_the_pair_has_two_sides() -> None:
    known = forward_model(container("inner-pair"), vial("Lu-177"), REFERENCE_NS)
    assert [c.side for c in known.channels] == [1, -1, 0, 0]
    assert known.watching == (0, 1)
