"""The wheel holds the four packages and their data; each extra stands alone."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {"schemas", "gateway", "firmware_sim", "cloud"}
UV = Path(sys.executable).with_name("uv")
DATA = (".toml", ".cddl", ".json", ".html", ".css", ".js", ".sql")

# Walks a package's modules and names the foreign libraries that can be imported.
PROBE = """
import importlib, importlib.util, pkgutil, sys
package, *foreign = sys.argv[1:]
found = importlib.import_module(package)
for module in pkgutil.walk_packages(found.__path__, package + "."):
    if not module.name.endswith(".__main__"):
        importlib.import_module(module.name)
print(*[name for name in foreign if importlib.util.find_spec(name)])
"""


def _run(*command: str | Path, cwd: Path = ROOT) -> str:
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder)
    (built,) = folder.glob("*.whl")
    return built


def test_top_levels_are_the_four_packages(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == PACKAGES
    assert not [name for name in names if "__pycache__" in name]


def test_data_files_are_inside(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix in DATA and "__pycache__" not in path.parts
    }
    assert len(expected) > 10
    assert expected - names == set()
    assert "schemas/nuclides.toml" in names
    assert "schemas/cddl/dosetrail.cddl" in names
    assert "schemas/vectors/record.json" in names


@pytest.mark.parametrize(
    ("extra", "package", "foreign"),
    [
        ("gateway", "gateway", ("fastapi", "sqlalchemy", "uvicorn", "amqtt")),
        ("sim", "firmware_sim", ("fastapi", "sqlalchemy", "numba", "aiomqtt")),
        ("cloud", "cloud", ("numba", "llvmlite", "serial", "aiomqtt")),
    ],
)
def test_an_extra_stands_alone(
    extra: str, package: str, foreign: tuple[str, ...], wheel: Path, tmp_path: Path
) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    _run(UV, "venv", "--quiet", "--python", sys.executable, tmp_path / "venv")
    install = (UV, "pip", "install", "--quiet", "--python", python)
    _run(*install, "--require-hashes", "-r", f"requirements/{extra}.txt")
    _run(*install, "--no-deps", wheel)
    # Isolated, and away from the project: what is imported is what was installed.
    present = _run(python, "-I", "-c", PROBE, package, *foreign, cwd=tmp_path)
    assert present.split() == []
    others = PACKAGES - {package, "schemas"}
    loaded = _run(python, "-I", "-c", LOADED, package, *others, cwd=tmp_path)
    assert loaded.split() == []


# All four packages are in the wheel; none may import its neighbours.
LOADED = PROBE.replace("if importlib.util.find_spec(name)", "if name in sys.modules")
