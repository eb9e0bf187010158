"""No file that a person must read is longer than 400 lines."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MOST_LINES = 400
READ_BY_PEOPLE = {".py", ".toml", ".md", ".cddl", ".js", ".css", ".html", ".sh"}


def _tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.splitlines()]


def test_no_file_is_too_long() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in _tracked()
        if path.suffix in READ_BY_PEOPLE
        and "vendor" not in path.parts
        and path.exists()
        and (lines := len(path.read_text().splitlines())) > MOST_LINES
    }
    assert long == {}
