"""The figures of the estimator's theory page.

    python -m tests.estimator.figures

Every figure is a journey of the published reference design, seeded, as the estimator
sees it. They are written to ``gateway/estimator/figures`` as SVG.
"""

import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gateway.estimator.filtering import LiveFilter
from gateway.estimator.fraction import fraction_remaining
from gateway.estimator.fused import Fused, fuse
from gateway.estimator.fusion import fit
from gateway.estimator.journal import Journal
from gateway.estimator.model import ForwardModel
from schemas.estimates import EstimateState
from tests.estimator.worlds import World, at_h, model

FOLDER = Path(__file__).resolve().parents[2] / "gateway/estimator/figures"
INK, BLUE, RED, GREY, GREEN = "#1b1f24", "#1f5fa8", "#b3261e", "#9aa3ad", "#2e7d4f"
HOUR_S = 3600.0
SHARES = ("gain", "certificate", "dead time", "impurity", "displacement", "counts")


def new(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    """Return an empty figure of the page's width."""
    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontsize=10, color=INK)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def save(figure: Figure, name: str) -> None:
    """Write one figure, the same bytes each time."""
    FOLDER.mkdir(exist_ok=True)
    with mpl.rc_context({"svg.hashsalt": "dosetrail", "svg.fonttype": "none"}):
        figure.savefig(FOLDER / f"{name}.svg", metadata={"Date": None})


def sharpness() -> None:
    """Uncertainty of the activity over time, for three count rates."""
    figure, axes = new(
        "After a minute only a better calibration helps",
        "time since the vial is in place",
        "u(ln A), %",
    )
    for rate, colour, label in (
        (60.0, BLUE, "60 /s per GBq"),
        (1.2, GREEN, "1.2 /s per GBq"),
        (600.0, RED, "600 /s per GBq: n tau = 0.84"),
    ):
        spans, found = [], []
        for width_s, n in ((1.0, 10), (1.0, 30), *((60.0, m) for m in MINUTES)):
            world = World(n=n, width_s=width_s, count_rate_per_s_gbq=rate)
            spans.append(width_s * n)
            found.append(100 * fit(model(rate), world.journal(seed=5)).log_ratio_u)
        axes.semilogx(spans, found, color=colour, label=label)
    axes.axhline(2.5, color=GREY, ls=":", label="certificate alone")
    floor = 100 / np.hypot(1 / 0.025, 1 / 0.012)
    axes.axhline(floor, color=GREY, ls="--", label="certificate and gain, no counts")
    axes.set_xticks(
        [10, 60, 600, 3600, 36 * 3600], ["10 s", "1 min", "10 min", "1 h", "36 h"]
    )
    axes.set_ylim(1.0, 2.6)
    axes.legend(frameon=False, fontsize=8)
    save(figure, "sharpness")


MINUTES = (1, 3, 10, 30, 60, 180, 360, 720, 2160)


def minute_by_minute(known: ForwardModel, journal: Journal) -> list[Fused]:
    """Return the fused number as it was stated every ten minutes."""
    found = []
    for n in range(10, len(journal) + 1, 10):
        part = journal.where(np.arange(len(journal)) < n)
        at_ns = journal.origin_ns + int(part.end_s[-1] * 1e9)
        found.append(fuse(known, part, at_ns))
    return found


def stated(name: str, title: str, world: World) -> None:
    """One journey: the stated activity with its interval, over the true one."""
    known, journal = model(), world.journal(seed=21)
    figure, axes = new(title, "hours since the vial is in place", "activity / expected")
    words = minute_by_minute(known, journal)
    hours = np.arange(1, len(words) + 1) / 6.0
    left = [known.source.activity_ratio((w.at_ns - at_h(0)) / 1e9) for w in words]
    expected = 7.4 * np.array(left)
    ratio = np.array([w.activity_gbq for w in words]) / expected
    low, high = (
        np.array([w.interval_95_gbq[i] for w in words]) / expected for i in (0, 1)
    )
    is_held = np.array([w.state is EstimateState.HELD for w in words])
    axes.fill_between(hours, low, high, color=BLUE, alpha=0.15, lw=0, label="95 %")
    axes.plot(hours, ratio, color=BLUE, label="stated")
    truth = np.exp(world.activity) * (1.0 - world.lost(3600.0 + hours * HOUR_S))
    axes.plot(hours, truth, color=INK, lw=1, ls="--", label="true")
    if is_held.any():
        axes.fill_between(
            hours,
            0.9,
            1.1,
            where=is_held,
            color=RED,
            alpha=0.08,
            lw=0,
            label="HELD: the certificate's",
        )
    axes.set_ylim(0.92, 1.08)
    axes.legend(frameon=False, fontsize=8, ncols=4, loc="lower left")
    save(figure, name)


def innovations() -> None:
    """The three contrasts of the live filter around a loss of one per cent."""
    world = World(n=360, lost=lambda t: np.where(t > 4 * HOUR_S, 0.01, 0.0))
    journal = world.journal(seed=4)
    found = LiveFilter(model(), journal.origin_ns).take(journal)
    figure = Figure(figsize=(7.2, 3.8), layout="constrained")
    rows = figure.subplots(3, 1, sharex=True, sharey=True)
    hours = np.arange(360) / 60.0
    for i, name in enumerate(("sum", "difference", "outer")):
        rows[i].plot(hours, found.contrasts[:, i], lw=0.6, color=BLUE)
        rows[i].axhline(0, color=GREY, lw=0.8)
        rows[i].axvline(3.0, color=RED, lw=0.8, ls="--")
        rows[i].set_ylabel(name)
        rows[i].spines[["top", "right"]].set_visible(False)
    rows[0].set_title(
        "Standardised innovations; 1 % of the activity is lost after three hours",
        loc="left",
        fontsize=10,
    )
    rows[2].set_xlabel("hours since the vial is in place")
    save(figure, "innovations")


def budget() -> None:
    """What the uncertainty of the fused number is made of, over 36 h."""
    figure, axes = new(
        "Shares of the variance of ln A", "time since the vial is in place", "share"
    )
    world = World(n=2160)
    journal = world.journal(seed=6)
    spans = np.array([1, 2, 5, 10, 30, 60, 180, 360, 720, 2160])
    parts = []
    for n in spans:
        posterior = fit(model(), journal.where(np.arange(2160) < n))
        parts.append(posterior.budget(at_h(48)))
    total = np.array([sum(u * u for u in part.values()) for part in parts])
    stack = [np.array([part[name] ** 2 for part in parts]) / total for name in SHARES]
    colours = (BLUE, "#6f9bd1", RED, "#d98880", GREEN, GREY)
    axes.stackplot(spans * 60.0, stack, labels=SHARES, colors=colours, lw=0)
    axes.set_xscale("log")
    axes.set_xticks([60, 600, 3600, 36 * 3600], ["1 min", "10 min", "1 h", "36 h"])
    axes.set_ylim(0, 1)
    axes.legend(frameon=False, fontsize=8, ncols=3, loc="lower left")
    save(figure, "budget")


def remaining() -> None:
    """The fraction that remains since dispatch, through a loss of two per cent."""
    world = World(n=720, lost=lambda t: np.where(t > 7 * HOUR_S, 0.02, 0.0))
    journal = world.journal(seed=8)
    figure, axes = new(
        "Fraction remaining since dispatch, decay taken out",
        "hours since dispatch",
        "fraction",
    )
    index = np.arange(720)
    hours, ratio, low, high = [], [], [], []
    for n in range(50, 721, 10):
        found = fraction_remaining(
            model(), journal, index < 20, (index >= n - 30) & (index < n)
        )
        hours.append(n / 60.0)
        ratio.append(found.ratio)
        low.append(found.interval_95[0])
        high.append(found.interval_95[1])
    axes.fill_between(hours, low, high, color=BLUE, alpha=0.15, lw=0, label="95 %")
    axes.plot(hours, ratio, color=BLUE, label="as said of the last half hour")
    truth = 1.0 - world.lost(3600.0 + np.array(hours) * HOUR_S)
    axes.plot(hours, truth, color=INK, lw=1, ls="--", label="true")
    axes.legend(frameon=False, fontsize=8)
    save(figure, "remaining")


def main() -> int:
    """Draw all figures."""
    sharpness()
    shock_s = 7 * HOUR_S
    stated(
        "shock",
        "3 mm of displacement after a shock at six hours",
        World(
            n=720,
            displacement_mm=lambda t: np.where(t > shock_s, 3.0, 0.0),
            shocks_at_s=(shock_s,),
        ),
    )
    stated(
        "loss",
        "5 % lost at six hours, and nobody said so",
        World(n=720, lost=lambda t: np.where(t > shock_s, 0.05, 0.0)),
    )
    innovations()
    budget()
    remaining()
    sys.stdout.write(f"{len(list(FOLDER.glob('*.svg')))} figures in {FOLDER}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
