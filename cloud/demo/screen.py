"""What a person at the terminal sees of a run."""

import shlex
import time
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from cloud.demo.api import Json
from cloud.demo.stage import Stage
from cloud.demo.world import News
from cloud.report import arrival_report
from schemas.units import instant_text

_CET_MINUTES: Final = 60
# Where no bar can be drawn (a file, a build log), one line for each such share.
_PLAIN_SHARE: Final = 0.1


class Screen:
    """Prints steps, a progress bar, the acts of the journey, and its end."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._console = Console(highlight=False)
        self._began_s = time.monotonic()
        self._plain_next = 0.0
        self._bar: Progress | None = None

    def step(self, text: str) -> None:
        """Say what is being done now."""
        self._print(f"[dim]{self._elapsed():>5}[/dim]  {text}")

    def page(self) -> None:
        """Say where the live page is."""
        self._print(f"\n  live page  [bold]{self._stage.address}[/bold]")
        self._print(f"  files      {self._stage.directory}\n")

    def note(self, text: str) -> None:
        """Say something that happened."""
        self._print(f"[dim]{self._elapsed():>5}[/dim]  [yellow]{text}[/yellow]")

    def act(self, news: News, utc_ns: int) -> None:
        """Say what the people of the journey do."""
        what = str(news["what"])
        if what == "handover":
            what += f": {news['from']} to {news['to']}"
        place = f" ({news['place']})" if "place" in news else ""
        self.step(f"{_local(utc_ns)}  {what}{place}")

    def progress(self, share: float, leg: str, utc_ns: int) -> None:
        """Show how far the journey is."""
        if not self._console.is_terminal:
            if share >= self._plain_next:
                self._plain_next = share + _PLAIN_SHARE
                self.step(f"{_local(utc_ns)}  {share:4.0%}  {leg}")
            return
        if self._bar is None:
            self._bar = Progress(
                TextColumn("      "),
                BarColumn(40),
                TaskProgressColumn(),
                TextColumn("{task.description}"),
                console=self._console,
                transient=True,
            )
            self._bar.add_task("", total=1.0)
            self._bar.start()
        task = self._bar.task_ids[0]
        text = f"{_local(utc_ns)}  {leg}"
        self._bar.update(task, completed=share, description=text)
        if share >= 1.0:
            self._close_bar()

    def stays_open(self) -> None:
        """Say that the journey is over and the page stays."""
        self._close_bar()
        self._print(
            f"\n  arrived; the page stays at [bold]{self._stage.address}[/bold]"
            "   (Ctrl-C ends)\n"
        )

    def arrival(self, arrival: Json) -> None:
        """Print the arrival report."""
        self._close_bar()
        self._console.print()
        self._console.print(arrival_report(arrival))

    def counts(self, starts: dict[str, int], health: Json) -> None:
        """Print what the run was made of."""
        again = ", ".join(f"{n} x{c}" for n, c in starts.items() if c > 1) or "none"
        self._print(
            f"  records    {health['received']} received, complete up to "
            f"{health['contiguous']}, backlog {health['backlog']}"
        )
        self._print(f"  starts     more than once: {again}")
        self._print(f"  took       {self._elapsed()}")

    def command(self, *words: str) -> None:
        """Show a command that a person can run as well."""
        self._print(f"\n[dim]$ {shlex.join(words)}[/dim]")

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _elapsed(self) -> str:
        return f"{time.monotonic() - self._began_s:.0f} s"

    def _print(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)


def _local(utc_ns: int) -> str:
    text = instant_text(utc_ns // 10**9 * 10**9, offset_minutes=_CET_MINUTES)
    return text[5:16].replace("T", " ")
