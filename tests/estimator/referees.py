"""Heavy referees of the estimator, and the values of theirs that are frozen.

    python -m tests.estimator.referees             compare, print a table
    python -m tests.estimator.referees --json      the finding in the last line, as JSON
    python -m tests.estimator.referees --freeze    write frozen.json anew

The posterior is written out here once more with numpy over all bins; iminuit finds
its mode from a point three standard deviations away, in coordinates whitened by the
Laplace covariance (without, black boxes stop short): once as weighted least squares,
the weights from its own round before, which is what the estimator solves, and once
with the likelihood, which also reads the dead time from the scatter of the counts.
The estimator does not: what else scatters would pass for dead time. A Metropolis walk
gives mean and deviation of the activity without any approximation. radioactivedecay
gives the chains in high precision.
"""

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import radioactivedecay as rd
from iminuit import Minuit
from numpy.typing import NDArray

from gateway.estimator.fusion import fit
from gateway.estimator.journal import Journal, cosmic_growth
from gateway.estimator.model import ForwardModel
from tests.estimator.worlds import LU177, LU177M, World, model
from tests.faults.rig import Finding, conclude

Floats = NDArray[np.float64]

FROZEN = Path(__file__).with_name("frozen.json")
HOURS = (0.1, 1.0, 6.0, 24.0, 240.0)
PARENTS = ("Ac-225", "Ra-223", "Pb-212", "Th-227", "Lu-177m")
N_JOURNEYS = 20
MOST_APART = 0.1  # in standard deviations of the posterior


def journey(number: int) -> tuple[ForwardModel, Journal]:
    """Return one of the twenty journeys: truth drawn from the priors, then counts."""
    rng = np.random.default_rng([2026, number])
    count_rate = (60.0, 60.0, 1.2, 200.0)[number % 4]
    shift = rng.normal(0.0, 3.0)
    is_shocked = number % 5 == 3
    world = World(
        n=(60, 120, 240)[number % 3],
        count_rate_per_s_gbq=count_rate,
        activity=rng.normal(0.0, 0.025),
        common_gain=rng.normal(0.0, 0.012),
        differential_gain=rng.normal(0.0, 0.006),
        temperature_per_10k=rng.normal(0.0, 0.003),
        temperature_c=rng.uniform(5.0, 35.0),
        dead_time_s=190e-6 * math.exp(rng.normal(0.0, 0.03)),
        isomer_ratio=1e-4 * math.exp(rng.normal(0.0, 0.7)),
        displacement_mm=lambda t: np.where(is_shocked & (t > 5400.0), shift, 0.0),
        shocks_at_s=(5400.0,) if is_shocked else (),
    )
    return model(count_rate), world.journal(number)


def means(
    number: int, journal: Journal, n_segments: int, parameters: Floats
) -> tuple[Floats, float]:
    """True rates of one journey, (n, 3), and the dead time, written out for it."""
    a, gc, gd, kappa, z_tau, rho, leak, cosmic, theta = parameters[:9]
    segment = np.cumsum(journal.is_shocked)
    s = parameters[10 + segment]
    knots = parameters[10 + n_segments :]
    middle = journal.begin_s + 30.0
    knot_s = 10_800.0 * np.arange(knots.size)
    b = np.interp(middle - journal.begin_s[0], knot_s, knots)
    left = _mean_decay(LU177.decay_constant_per_s * math.exp(-theta), journal)
    left_m = 1e-4 * math.exp(rho) * _mean_decay(LU177M.decay_constant_per_s, journal)
    ground = np.exp(b) + 0.35 * math.exp(cosmic) * cosmic_growth(journal.pressure_hpa)
    drift = (journal.temperature_c[:, 0] - 25.0) / 10.0
    count_rate = (60.0, 60.0, 1.2, 200.0)[number % 4]
    columns = []
    for side in (1.0, -1.0):
        gain = 0.012 * gc + side * 0.006 * gd + 0.003 * kappa * drift
        moved = side * 0.02 * s + 0.0003 * s * s
        n = 7.4 * count_rate * np.exp(a + gain + moved) * (left + 29.0 * left_m)
        columns.append(n + 0.30 * ground)
    n = 7.4 * math.exp(a + 0.2 * leak) * (0.0063 * left + 45.0 * left_m)
    columns.append(n + 0.35 * ground)
    rates: Floats = np.stack(columns, axis=1)
    return rates, 190e-6 * math.exp(0.03 * z_tau)


def log_loss(counts: Floats, n: Floats, tau: float) -> float:
    """Minus the logarithm of the likelihood, dead time in its variance too."""
    open_s = 60.0 - counts * tau
    expected = n * open_s
    ratio = np.where(counts > 0, expected / np.maximum(counts, 1.0), 1.0)
    norm = np.log(open_s / 60.0)
    return float((expected - counts - counts * np.log(ratio) + norm).sum())


def variances(n: Floats, tau: float) -> Floats:
    """Renewal variance of the counts of a minute."""
    found: Floats = n * 60.0 / (1.0 + n * tau) ** 3
    return found


def _mean_decay(constant: float, journal: Journal) -> Floats:
    x = constant * 60.0
    mean: Floats = np.exp(-constant * journal.begin_s) * (-math.expm1(-x) / x)
    return mean


class Referee:
    """One journey's posterior in whitened coordinates."""

    def __init__(self, number: int) -> None:
        self.number = number
        known, self.journal = journey(number)
        self.posterior = fit(known, self.journal)
        covariance = self.posterior.covariance
        self.free = np.diag(covariance) > 1e-16
        self.root = np.linalg.cholesky(covariance[np.ix_(self.free, self.free)])
        self.weights: Floats | None = None

    def parameters(self, y: Floats) -> Floats:
        """The parameters at a point given in posterior deviations."""
        found = self.posterior.mean.copy()
        found[self.free] += self.root @ y
        return found

    def rates(self, y: Floats) -> tuple[Floats, float]:
        """True rates and the dead time at a point."""
        segments = self.posterior.n_segments
        return means(self.number, self.journal, segments, self.parameters(y))

    def energy(self, y: Floats) -> float:
        """Minus the logarithm of the posterior; least squares where weighted."""
        parameters = self.parameters(y)
        prior = 0.5 * float(parameters @ self.posterior.precision @ parameters)
        n, tau = self.rates(y)
        counts = self.journal.counts
        if self.weights is None:
            return prior + log_loss(counts, n, tau)
        miss = counts - n * 60.0 / (1.0 + n * tau)
        return prior + 0.5 * float((miss * miss * self.weights).sum())

    def minimise(self, start: Floats) -> tuple[Floats, Floats]:
        """Mode and covariance in whitened coordinates, by iminuit."""
        search = Minuit(self.energy, start)
        search.errordef = Minuit.LIKELIHOOD
        search.migrad(ncall=200_000)
        search.hesse()
        if not search.valid:
            raise SystemExit(f"journey {self.number}: iminuit did not converge")
        return np.array(search.values), np.array(search.covariance)

    def activity(self, y: Floats, covariance: Floats) -> tuple[float, float]:
        """Logarithm of the activity over the certificate's, and its uncertainty."""
        variance = self.root[0] @ covariance @ self.root[0]
        return float(self.parameters(y)[0]), float(np.sqrt(variance))


def by_minuit(number: int) -> list[tuple[float, float]]:
    """Activity and uncertainty by least squares, and by likelihood."""
    referee = Referee(number)
    rng = np.random.default_rng([7, number])
    n_free = int(referee.free.sum())
    start = rng.normal(0.0, 3.0 / math.sqrt(n_free), n_free)
    y, covariance = referee.minimise(start)
    by_likelihood = referee.activity(y, covariance)
    for _ in range(2):
        referee.weights = 1.0 / variances(*referee.rates(y))
        y, covariance = referee.minimise(y)
    return [referee.activity(y, covariance), by_likelihood]


def by_metropolis(number: int, steps: int) -> tuple[float, float]:
    """Posterior mean and deviation of the activity, by a random walk."""
    referee = Referee(number)
    here = np.zeros(int(referee.free.sum()))
    size = 2.38 / math.sqrt(here.size)
    rng = np.random.default_rng([8, number])
    before = referee.energy(here)
    kept = np.empty(steps)
    for step in range(steps):
        there = here + size * rng.normal(size=here.size)
        after = referee.energy(there)
        if math.log(rng.random()) < before - after:
            here, before = there, after
        kept[step] = referee.parameters(here)[0]
    burnt = kept[steps // 10 :]
    return float(burnt.mean()), float(burnt.std())


def chain(parent: str) -> dict[str, Any]:
    """A whole chain with half-lives, branches and activities of radioactivedecay."""
    half_lives, daughters, todo = {}, {}, [parent]
    while todo:
        name = todo.pop()
        theirs = rd.Nuclide(name)
        half_lives[name] = float(theirs.half_life("s"))
        pairs = zip(theirs.progeny(), theirs.branching_fractions(), strict=True)
        daughters[name] = [(p, b) for p, b in pairs if _is_living(p)]
        todo += [p for p, _b in daughters[name]]
    start = rd.InventoryHP({parent: 1.0}, "Bq")
    after = {h: start.decay(h, "h").activities() for h in HOURS}
    return {
        "half_lives_s": half_lives,
        "daughters": daughters,
        "activities": {
            h: {n: float(a[n]) for n in half_lives} for h, a in after.items()
        },
    }


def _is_living(name: str) -> bool:
    return "SF" not in name and math.isfinite(float(rd.Nuclide(name).half_life("s")))


def main() -> int:
    """Compare, print, and freeze if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--freeze", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found, worst = [], 0.0
    print(
        "journey   this project      least squares     apart/sd  sd ratio  likelihood"
    )
    for number in range(N_JOURNEYS):
        posterior = fit(*journey(number))
        (mean, sd), (other, _sd) = by_minuit(number)
        apart = (posterior.log_ratio - mean) / sd
        ratio = posterior.log_ratio_u / sd
        worst = max(worst, abs(apart), abs(ratio - 1.0) * 2.0)
        found.append((mean, sd, other))
        print(
            f"{number:7d}   {posterior.log_ratio:+.5f} {posterior.log_ratio_u:.5f}  "
            f"{mean:+.5f} {sd:.5f}  {apart:+9.4f}  {ratio:8.4f}  "
            f"{(posterior.log_ratio - other) / sd:+9.4f}",
            flush=True,
        )
    for number in (0, 2, 3):
        posterior = fit(*journey(number))
        mean, sd = by_metropolis(number, 60_000)
        print(
            f"walk {number}: apart {(posterior.log_ratio - mean) / sd:+.3f} sd, "
            f"sd ratio {posterior.log_ratio_u / sd:.3f}"
        )
    if arguments.freeze:
        frozen = {"iminuit": found, "chains": {p: chain(p) for p in PARENTS}}
        FROZEN.write_text(json.dumps(frozen, indent=1) + "\n")
    return conclude([_finding(worst)], as_json=arguments.json)


def _finding(worst: float) -> Finding:
    return Finding(
        "S8 referee",
        "fused number within 0.1 standard deviations of a whitened iminuit posterior "
        f"on {N_JOURNEYS} frozen journeys",
        f"at most {worst:.4f} apart (deviations at twice their size)",
        is_held=worst <= MOST_APART,
        is_full=True,
    )


if __name__ == "__main__":
    sys.exit(main())
