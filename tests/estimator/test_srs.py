"""The spectrum against its plain twin, an ODE, and what two peers gave once.

The peers (pyyeti 1.4.7, endaq 1.5.3) are heavy: they run beside the kernel in
tests/benchmarks/bench_srs.py; what pyyeti gave for this shock is frozen here.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp  # type: ignore[import-untyped]  # it has none

from gateway.estimator import srs
from gateway.estimator.kernels import Floats
from tests import naive

ROOT = Path(__file__).parents[2]
RATE_HZ = 3200.0
A_M_S2, D_S = 980.665, 0.011


def half_sine(rate_hz: float = RATE_HZ, seconds: float = 0.2) -> Floats:
    """100 g for 11 ms, from 20 ms on."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz - 0.02
    return np.where((t > 0) & (t < D_S), A_M_S2 * np.sin(np.pi * t / D_S), 0.0)


def lopsided() -> Floats:
    """The half sine with a tail and a bounce: negative peaks of their own."""
    t = np.arange(640) / RATE_HZ
    return half_sine() - 120.0 * np.sin(700.0 * t) * np.exp(-20.0 * t) * (t > 0.03)


def test_frequencies_are_nine_to_the_octave_from_5_to_800_hz() -> None:
    found = srs.frequencies_hz()
    assert found.size == 66
    assert found[0] == 5.0
    assert found[9] == pytest.approx(10.0)
    assert 740.0 < found[-1] <= 800.0


# pyyeti.srs.srs(lopsided() + 640 zeros, 3200, frequencies, 10, ic="zero",
#                stype="absacce", parallel="no", time="primary", rolloff="none")
PYYETI = {
    "abs": [
        202.0310197880474,
        538.3590567984821,
        1266.496381223348,
        1553.930544245374,
        1079.5059059504626,
        992.0078491165057,
    ],
    "pos": [
        202.0310197880474,
        538.3590567984821,
        1266.496381223348,
        1553.930544245374,
        1079.5059059504626,
        992.0078491165057,
    ],
    "neg": [
        172.54426369800476,
        461.055761072333,
        1082.1837351200952,
        840.5676258834786,
        241.30286539937518,
        62.8596261509237,
    ],
}


@pytest.mark.parametrize(
    ("peak", "row"),
    [("abs", srs.MAXIMAX), ("pos", srs.POSITIVE), ("neg", srs.NEGATIVE)],
)
def test_equals_what_pyyeti_gave(peak: str, row: int) -> None:
    found = srs.spectrum(lopsided(), RATE_HZ)[row, ::13]
    assert found == pytest.approx(PYYETI[peak], rel=1e-10)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    samples=st.lists(st.floats(-2000, 2000), min_size=1, max_size=60),
    frequency_hz=st.floats(5.0, 800.0),
    quality=st.floats(1.0, 50.0),
)
def test_equals_the_plain_twin(
    samples: list[float], frequency_hz: float, quality: float
) -> None:
    out = np.empty((3, 1))
    srs.respond(np.array(samples), RATE_HZ, np.array([frequency_hz]), quality, out)
    expected = naive.shock_response(samples, RATE_HZ, frequency_hz, quality)
    scale = max(1.0, *map(abs, samples))
    assert out[:, 0] == pytest.approx(expected, rel=1e-9, abs=1e-9 * scale)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 66])
def test_any_number_of_oscillators(count: int) -> None:
    frequencies = srs.frequencies_hz()[:count]
    out, one = np.empty((3, count)), np.empty((3, 1))
    srs.respond(lopsided(), RATE_HZ, frequencies, 10.0, out)
    for j in range(count):
        srs.respond(lopsided(), RATE_HZ, frequencies[j : j + 1], 10.0, one)
        assert (out[:, j] == one[:, 0]).all()


@pytest.mark.parametrize("frequency_hz", [10.0, 45.0, 80.0, 200.0, 600.0])
def test_within_0_2_percent_of_the_differential_equation(frequency_hz: float) -> None:
    rate_hz = 51_200.0
    out = np.empty((3, 1))
    pulse = half_sine(rate_hz, 0.3)
    srs.respond(pulse, rate_hz, np.array([frequency_hz]), 10.0, out)
    omega, damping = 2 * np.pi * frequency_hz, 0.05

    def pushed(t: float, y: Floats) -> list[float]:
        base = (
            A_M_S2 * np.sin(np.pi * (t - 0.02) / D_S) if 0.02 < t < 0.02 + D_S else 0.0
        )
        return [y[1], -base - 2 * damping * omega * y[1] - omega**2 * y[0]]

    solved = solve_ivp(
        pushed, (0.0, 0.3), [0.0, 0.0], rtol=1e-9, atol=1e-12, max_step=2e-4
    )
    absolute = -2 * damping * omega * solved.y[1] - omega**2 * solved.y[0]
    assert out[srs.MAXIMAX, 0] == pytest.approx(np.abs(absolute).max(), rel=2e-3)


def test_the_peak_of_a_half_sine_is_1_65_at_74_hz() -> None:
    found = srs.spectrum(half_sine(), RATE_HZ)[srs.MAXIMAX]
    top = int(found.argmax())
    assert found[top] / A_M_S2 == pytest.approx(1.65, abs=0.005)
    assert srs.frequencies_hz()[top] == pytest.approx(74, abs=4)


def test_the_spectrum_scales_and_turns_with_the_shock() -> None:
    up, down = srs.spectrum(lopsided(), RATE_HZ), srs.spectrum(-3 * lopsided(), RATE_HZ)
    assert down[srs.MAXIMAX] == pytest.approx(3 * up[srs.MAXIMAX])
    assert down[srs.POSITIVE] == pytest.approx(3 * up[srs.NEGATIVE])


def test_nothing_shakes_nothing() -> None:
    assert (srs.spectrum(np.zeros(64), RATE_HZ) == 0.0).all()


SCRIPT = """
import json, numpy as np
from gateway.estimator import srs
t = np.arange(200) / 3200.0
out = np.empty((3, 7))
srs.respond(np.sin(90.0 * t) * np.exp(-9.0 * t), 3200.0, 5.0 * 2.0 ** np.arange(7),
            10.0, out)
compiled = hasattr(srs.respond, "signatures")
print(json.dumps([compiled, [value.hex() for value in out.ravel().tolist()]]))
"""


def interpreted(disable_jit: str) -> list[object]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        env={**os.environ, "NUMBA_DISABLE_JIT": disable_jit},
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[object] = json.loads(done.stdout)
    return found


def test_compiled_and_interpreted_agree_bit_for_bit() -> None:
    compiled, plain = interpreted("0"), interpreted("1")
    assert [compiled[0], plain[0]] == [True, False]
    assert compiled[1] == plain[1]
