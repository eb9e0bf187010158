"""Serial bytes to sealed telemetry: the program of the Pi in the container."""

from typing import Final

VERSION: Final = "0.1.0"
