"""The journey of cloud/README.md, as it stands there, from order to return."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "cloud" / "README.md").read_text("utf-8")
PORT = "8811"
PATIENCE_S = 400


def test_the_journey_of_the_readme_runs(tmp_path: Path) -> None:
    section = README.partition("## A whole journey in the interface")[2]
    section = section.partition("\n## ")[0]
    (block,) = re.findall(r"```bash\n(.*?)^```", section, re.M | re.S)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    assert PORT in block
    for name in ("cloud", "hw"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    script = "set -e\ntrap 'kill $server' ERR\n" + block.replace(PORT, port)
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "PYTHONPATH": str(ROOT),
            "no_proxy": "127.0.0.1",
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert re.findall(r"^true$", done.stdout, re.M) == ["true"] * 4
