"""What a person at the terminal sees of a run, in 80 columns."""

import os
import shlex
import sys
import time
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.text import Text

from cloud.demo.api import Json
from cloud.demo.stage import Stage
from cloud.demo.world import News
from cloud.report import arrival_report
from schemas.units import instant_text

WIDTH: Final = 80
_CET_MINUTES: Final = 60
# Where no bar can be drawn (a file, a build log), one line for each such share.
_PLAIN_SHARE: Final = 0.1
_ACTS: Final = {
    "open": "the lid is opened",
    "load": "the vial is put in",
    "close": "the lid is closed",
    "fingerprint": "fingerprint: counting with the vial",
    "seal": "the seal is put on",
    "arrive": "arrival",
    "accept": "the centre accepts it",
}


class Screen:
    """Prints steps, a progress bar, the acts of the journey, and its end."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._console = Console(highlight=False)
        self._began_s = time.monotonic()
        self._plain_next = 0.0
        self._bar: Progress | None = None
        self._is_over = False

    def step(self, text: str) -> None:
        """Say what is being done now."""
        self._timed(Text(text))

    def page(self) -> None:
        """Say where the live page is."""
        self._print(Text.assemble("\n  live page  ", (self._stage.address, "bold")))
        self._print(Text(f"  files      {shown(self._stage.directory)}"))
        self._print(Text("  times      simulated, UTC+01:00\n"))

    def note(self, text: str) -> None:
        """Say something that happened."""
        self._timed(Text(text, style="yellow"))

    def act(self, news: News, utc_ns: int) -> None:
        """Say what the people of the journey do."""
        what = str(news["what"])
        if what == "handover":
            text = f"handover: {news['from']} to {news['to']}"
        else:
            place = f" ({news['place']})" if "place" in news else ""
            text = _ACTS.get(what, what) + place
        self.step(f"{_local(utc_ns)}  {text}")

    def progress(self, share: float, leg: str, utc_ns: int) -> None:
        """Show how far the journey is; once it has arrived, nothing more."""
        if self._is_over:
            return
        self._is_over = share >= 1.0
        if self._console.is_terminal:
            self._draw(share, leg, utc_ns)
        elif share >= min(self._plain_next, 1.0):
            self._plain_next = share + _PLAIN_SHARE
            self.step(f"{_local(utc_ns)}  {share:4.0%}  {leg}")
        if self._is_over:
            self.close()

    def stays_open(self) -> None:
        """Say that the journey is over and the page stays."""
        self.close()
        address = (self._stage.address, "bold")
        self._print(
            Text.assemble(
                "\n  arrived; the page stays at ", address, "   (Ctrl-C ends)"
            )
        )

    def arrival(self, arrival: Json) -> None:
        """Print the arrival report."""
        self.close()
        self._console.print()
        self._console.print(arrival_report(arrival))

    def counts(self, starts: dict[str, int], health: Json) -> None:
        """Print what the run was made of."""
        again = ", ".join(f"{n} x{c}" for n, c in starts.items() if c > 1) or "none"
        self._print(
            Text(
                f"  records    {health['received']:,} received, none missing up to "
                f"{health['contiguous']:,}, {health['backlog']} not yet here"
            )
        )
        self._print(Text(f"  starts     more than once: {again}"))
        self._print(Text(f"  took       {self._elapsed()}"))

    def command(self, *words: str) -> None:
        """Show a command of dosetrail-cloud that a person can run as well."""
        program = shown(Path(sys.executable).with_name("dosetrail-cloud"))
        line = shlex.join((program, *words))
        if len(line) > WIDTH - 2:
            line = line.replace(" --", " \\\n    --")
        self._print(Text(f"\n$ {line}", style="dim"))

    def close(self) -> None:
        """Take the progress bar away, which also gives the cursor back."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _draw(self, share: float, leg: str, utc_ns: int) -> None:
        if self._bar is None:
            self._bar = Progress(
                TextColumn("      "),
                BarColumn(30),
                TaskProgressColumn(),
                TextColumn("{task.description}", markup=False),
                console=self._console,
                transient=True,
            )
            self._bar.add_task("", total=1.0)
            self._bar.start()
        text = f"{_local(utc_ns)}  {leg}"
        self._bar.update(self._bar.task_ids[0], completed=share, description=text)

    def _elapsed(self) -> str:
        return f"{time.monotonic() - self._began_s:.0f} s"

    def _timed(self, text: Text) -> None:
        self._print(Text.assemble((f"{self._elapsed():>5}", "dim"), "  ", text))

    def _print(self, text: Text) -> None:
        # Text, not markup: a folder may be called "[bold]".
        self._console.print(text, soft_wrap=True)


def shown(path: Path) -> str:
    """Return a path as it is shortest from where this process stands."""
    relative = os.path.relpath(path)
    return relative if len(relative) < len(str(path)) else str(path)


def _local(utc_ns: int) -> str:
    text = instant_text(utc_ns // 10**9 * 10**9, offset_minutes=_CET_MINUTES)
    return text[5:16].replace("T", " ")
