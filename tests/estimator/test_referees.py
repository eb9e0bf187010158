"""The estimator against filterpy, and against frozen values of heavier referees.

``frozen.json`` is written by ``python -m tests.estimator.referees --freeze``.
"""

import json
from typing import Any, TypedDict

import numpy as np
import pytest
from filterpy.kalman import ExtendedKalmanFilter

from gateway.estimator import rate_kernels
from gateway.estimator.filtering import LiveFilter
from gateway.estimator.fusion import fit
from gateway.estimator.model import ForwardModel
from gateway.estimator.source import source_of
from schemas import nuclides
from schemas.nuclides import Daughter, Nuclide
from tests import naive_fusion as naive
from tests.estimator.referees import FROZEN, HOURS, N_JOURNEYS, PARENTS, journey
from tests.estimator.worlds import REFERENCE_NS, Floats, World, contents, model


class Chain(TypedDict):
    half_lives_s: dict[str, float]
    daughters: dict[str, list[tuple[str, float]]]
    activities: dict[str, dict[str, float]]


FOUND: dict[str, Any] = json.loads(FROZEN.read_text())
CHAINS: dict[str, Chain] = FOUND["chains"]


def theirs_after(
    known: ForwardModel, row: Floats, seen: Floats, term: Floats
) -> tuple[Floats, Floats]:
    """State and covariance of filterpy's filter after all bins."""
    channel = known.channel_table()
    start = LiveFilter(known, REFERENCE_NS)
    theirs = ExtendedKalmanFilter(dim_x=12, dim_z=1)
    theirs.x, theirs.P = start.mean[:, None], start.covariance
    for t in range(len(row)):
        theirs.Q = np.zeros((12, 12))
        if t:
            theirs.Q[11, 11] = 0.15**2 / 10_800.0 * 60.0
        theirs.predict()
        before = theirs.x[:, 0].copy()
        for i in range(3):
            h = naive.slope(term, channel[i], row[t], seen[t, i], before)
            m = naive.mean_counts(
                term, channel[i], row[t], seen[t, i], before.astype(np.complex128)
            ).real
            v = naive.variance(m, channel[i], seen[t, i], before)
            theirs.update(
                np.array([[seen[t, i, 0]]]),
                lambda _x, h=h: h[None, :],
                lambda x, h=h, m=m, b=before: np.array([[m + h @ (x[:, 0] - b)]]),
                R=v,
            )
    return theirs.x[:, 0], theirs.P


def test_two_hundred_steps_are_filterpys() -> None:
    known = model()
    journal = World(n=200, temperature_c=33.0).journal(seed=12)
    row, seen = known.row_table(journal, None), known.seen_table(journal)
    x, p = theirs_after(known, row, seen, known.term_table(REFERENCE_NS))
    live = LiveFilter(known, REFERENCE_NS)
    live.take(journal)
    sd = np.sqrt(np.diag(p))
    np.testing.assert_allclose(live.mean / sd, x / sd, atol=1e-9)
    np.testing.assert_allclose(
        live.covariance / np.outer(sd, sd), p / np.outer(sd, sd), atol=1e-9
    )


@pytest.mark.parametrize("number", range(N_JOURNEYS))
def test_the_mode_is_iminuits(number: int) -> None:
    mean, sd, by_likelihood = FOUND["iminuit"][number]
    posterior = fit(*journey(number))
    assert posterior.log_ratio == pytest.approx(mean, abs=0.1 * sd)
    assert posterior.log_ratio_u == pytest.approx(sd, rel=0.05)
    # The likelihood reads the dead time from the scatter of the counts as well.
    assert posterior.log_ratio == pytest.approx(by_likelihood, abs=0.15 * sd)


def _their_table(chain: Chain) -> dict[str, Nuclide]:
    return {
        name: Nuclide(
            name,
            half_life_s,
            0.0,
            "radioactivedecay",
            tuple(Daughter(n, b) for n, b in chain["daughters"][name]),
        )
        for name, half_life_s in chain["half_lives_s"].items()
    }


@pytest.mark.parametrize("parent", PARENTS)
def test_the_kernels_chain_is_radioactivedecays(
    parent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = CHAINS[parent]
    table = _their_table(chain)
    monkeypatch.setattr(nuclides, "table", lambda: table)
    source = source_of(
        contents(nuclide=parent, separated_at_ns=REFERENCE_NS, impurities=())
    )
    term = ForwardModel(source=source, channels=()).term_table(REFERENCE_NS)
    out = np.empty((2, len(term)))
    for hours in HOURS:
        row = np.array([hours * 3600.0, 1e-9, 1.0, 0.0, 0.0, 0.0, 1.0])
        rate_kernels.decayed(term, row, np.zeros(12), out)
        for name in table:
            ours = sum(
                share * coefficient
                for share, t in zip(out[0], source.terms, strict=True)
                for emitter, coefficient in t.coefficients
                if emitter == name
            )
            theirs = chain["activities"][str(hours)][name]
            assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-15), name


@pytest.mark.parametrize(
    ("name", "unit_s", "published", "apart"),
    [
        # paceENSDF 0.6.3: where ours is ENSDF's, it is the same number.
        ("Lu-177", 86_400, 6.6443, 0.0),
        ("Ac-225", 86_400, 10.0, -8.0e-3),
        ("Tb-161", 86_400, 6.89, 1.07e-2),
        ("Pb-212", 3_600, 10.622, 0.0),
        ("I-131", 86_400, 8.0252, 0.0),
        ("Y-90", 3_600, 64.05, 0.0),
        ("Ra-223", 86_400, 11.4366, 0.0),
        # JEFF as actigamma 0.1.5 has it; Tb-161 as above.
        ("Lu-177", 86_400, 6.647, -4.06e-4),
        ("Pb-212", 3_600, 10.64, -1.69e-3),
        ("I-131", 86_400, 8.0233, 2.4e-4),
        ("Y-90", 3_600, 64.0, 7.8e-4),
        ("Ra-223", 86_400, 11.43, 5.77e-4),
        # The newest: PTB 2012, Pomme 2012, IRA 2020, NPL and NIST 2022.
        ("Lu-177", 86_400, 6.639, 7.98e-4),
        ("Ac-225", 86_400, 9.920, 0.0),
        ("Tb-161", 86_400, 6.953, 1.54e-3),
        ("Tb-161", 86_400, 6.9637, 0.0),
    ],
)
def test_published_half_lives_and_where_they_disagree(
    name: str, unit_s: int, published: float, apart: float
) -> None:
    ours = nuclides.nuclide(name).half_life_s
    assert ours / (published * unit_s) - 1.0 == pytest.approx(apart, abs=2e-5)


def test_bismuth_is_at_55_per_cent_an_hour_after_the_separation() -> None:
    found = nuclides.chain_activities("Ac-225", 1.0, 3600.0)
    assert found["Bi-213"] / found["Ac-225"] == pytest.approx(0.55, abs=0.01)
