"""What a run of the main job is asked to do."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cloud.config import is_loopback
from cloud.demo.programs import ProgramError

MAX_SPEED: Final = 1e6


@dataclass(frozen=True, slots=True)
class JourneyOptions:
    """What a run is asked to do."""

    once: bool = False
    replay: Path | None = None
    directory: Path | None = None
    speed: float | None = None
    port: int | None = None
    seed: int | None = None
    scenario: str = "pluvicto"
    disturb: int = 0
    influx: bool = False
    influx_url: str | None = None
    influx_config: Path | None = None
    webhook: str | None = None


def check_options(options: JourneyOptions) -> None:
    """Refuse what is wrong before a folder is made for it.

    Raises:
        ProgramError: the message names the option and the remedy.
    """
    if options.speed is not None and not 0 < options.speed <= MAX_SPEED:
        raise ProgramError(
            f"--speed {options.speed:g}: give simulated seconds per second, "
            f"above 0 and up to {MAX_SPEED:.0f}"
        )
    if options.port is not None and not 0 < options.port < 1 << 16:
        raise ProgramError(f"--port {options.port}: give a TCP port, 1 to 65535")
    if options.webhook is not None and not _is_here(options.webhook):
        raise ProgramError(
            f"--webhook {options.webhook}: give http://127.0.0.1:PORT/PATH; "
            "an exercise tells nobody outside this machine"
        )
    for name in ("seed", "disturb"):
        if (value := getattr(options, name)) is not None and value < 0:
            raise ProgramError(f"--{name} {value}: give 0 or more")
    if options.replay is not None and not (options.replay / "gps").is_dir():
        raise ProgramError(
            f"--replay {options.replay}: no folder of captures; "
            "give one with gps/*.log and dose_rate/*.log"
        )


def _is_here(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "http" and is_loopback(parts.hostname or "")
