"""Every nuclide in every container: seen, or the product says why not.

The doses are those of the products. Counts are the container model's own
expectation, so that a word is about what can be seen, not about luck.
"""

from pathlib import Path

import msgspec
import pytest

from gateway.estimator.container import ContainerModel, Detector, read_container
from gateway.estimator.expected import source_rate_per_s
from gateway.estimator.witness import Bin, WitnessWindow
from schemas.contents import Contents
from schemas.estimates import Witness, WitnessVerdict
from schemas.nuclides import table
from tests.builders import START_NS, contents

CONTAINERS = Path(__file__).parents[2] / "hw" / "containers"
NS = 10**9
SEEN, BACKGROUND, SATURATED = "", "the source is lost in the background", "saturated"
UNSEEN = "nothing is seen of"

# Nuclide, activity in GBq, and the word in: default, thick pot, inner pair.
TABLE = [
    ("Lu-177", 7.4, SEEN, BACKGROUND, SEEN),
    ("Lu-177", 12.5, SEEN, BACKGROUND, SEEN),
    ("Lu-177m", 0.0037, SEEN, BACKGROUND, SEEN),
    ("Ra-223", 0.0066, SEEN, SEEN, SEEN),
    ("I-131", 5.55, SATURATED, SEEN, SATURATED),
    ("I-131", 0.037, SEEN, SEEN, SEEN),
    ("Y-90", 3.0, SEEN, SEEN, SEEN),
    ("Y-90", 20.0, SEEN, SEEN, SEEN),
    ("Ac-225", 0.010, SEEN, SEEN, SEEN),
    ("Tb-161", 7.4, SEEN, SEEN, SEEN),
    ("Pb-212", 0.2, SEEN, SEEN, SATURATED),
    ("Cu-64", 0.148, SEEN, SEEN, SEEN),
    ("Cu-67", 3.7, SEEN, BACKGROUND, SEEN),
    ("Ga-68", 0.2, SEEN, SEEN, SEEN),
    ("F-18", 0.33, SEEN, SEEN, SEEN),
    ("At-211", 0.2, SEEN, SEEN, SEEN),
    ("Ho-166", 5.0, SEEN, SEEN, SEEN),
    ("Th-227", 0.006, SEEN, SEEN, SEEN),
    ("Sm-153", 2.6, SEEN, SEEN, SEEN),
    ("Re-188", 3.7, SEEN, SEEN, SEEN),
    # 10 kBq, as an impurity would have it.
    ("Ac-227", 1e-5, BACKGROUND, BACKGROUND, BACKGROUND),
]


def model(name: str) -> ContainerModel:
    path = CONTAINERS / f"{name}.toml"
    return read_container(path.read_bytes(), str(path))


def hour(container: ContainerModel, vial: Contents) -> Witness:
    """Return the word after an hour in which all is as the model expects it."""
    window = WitnessWindow(container, 3600 * NS)
    for minute in range(60):
        window.add([expected(d, vial, minute) for d in container.package_detectors])
    return window.word(vial, START_NS)


def expected(detector: Detector, vial: Contents, minute: int) -> Bin:
    age_s = (START_NS - vial.reference_at_ns) / NS + minute * 60 + 30
    rate = source_rate_per_s(detector, vial, age_s) + detector.background_rate_per_s
    live_s = 60.0 / (1.0 + rate * detector.dead_time_s)
    return Bin(
        sensor=detector.sensor,
        from_boot_ns=minute * 60 * NS,
        to_boot_ns=(minute + 1) * 60 * NS,
        counts=round(rate * live_s),
        live_time_ns=round(live_s * NS),
        temperature_c=25.0,
        pressure_hpa=1013.25,
    )


def test_no_nuclide_that_is_shipped_is_left_out() -> None:
    grown_in_the_vial = {"Fr-221", "Bi-213", "Pb-211", "Bi-211", "Bi-212", "Tl-208"}
    assert {row[0] for row in TABLE} == set(table()) - grown_in_the_vial


@pytest.mark.parametrize("column", [0, 1, 2], ids=("default", "thick", "inner"))
@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row[0]}-{row[1]:g}")
def test_every_nuclide_in_every_container(
    row: tuple[str, float, str, str, str], column: int
) -> None:
    name, activity_gbq, *words = row
    container = model(("overpack-10mm", "overpack-25mm", "inner-pair")[column])
    vial = msgspec.structs.replace(contents(activity_gbq=activity_gbq), nuclide=name)
    found = hour(container, vial)
    if words[column] == SEEN:
        assert found.verdict is WitnessVerdict.AGREES, found.reasons
        assert found.ratio == pytest.approx(1.0, abs=0.02)
        assert (found.noticeable_ratio or 9.0) <= 1.0
    else:
        assert found.verdict is WitnessVerdict.NOT_OBSERVABLE
        assert found.ratio is None
        assert words[column] in found.reasons[0]
