"""The live page in Chromium, served by the real server under a simulated clock."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from cloud.adapters.key_file import make_key
from cloud.adapters.ledger import open_ledger
from cloud.adapters.series import SqliteSeries
from cloud.projection import Projection
from schemas.simulated_time import SimulatedInstant, pack_page
from tests import journeys
from tests.builders import SECOND_NS, SHIPMENT, START_NS
from tests.journeys import DISPATCHED_NS, HOUR_NS, Cast

ROOT = Path(__file__).resolve().parents[2]
SERVE = """
from pathlib import Path
import sys
from cloud.config import load_config
from cloud.web.app import serve
serve(load_config(Path(sys.argv[1])))
"""
HOURS = 12.0


class Served:
    """A server in a process of its own, its ledger, series and clock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cast = Cast()
        self.ledger = open_ledger(f"sqlite:///{folder / 'ledger.sqlite'}")
        self.series = SqliteSeries(folder / "series.sqlite")
        self.told = journeys.telemetry(self.cast, HOURS)
        self.errors: list[str] = []
        self.set_clock(DISPATCHED_NS)
        self.address = f"http://127.0.0.1:{_free_port()}"
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        (self.folder / "keys.json").write_bytes(self.cast.registry.to_json())
        make_key(self.folder / "cloud.key")
        config = self.folder / "cloud.toml"
        config.write_text(
            '[ledger]\nurl = "sqlite:///ledger.sqlite"\n'
            '[series]\npath = "series.sqlite"\n'
            '[keys]\nregistry = "keys.json"\ncloud_key = "cloud.key"\n'
            f"[web]\nport = {self.address.rpartition(':')[2]}\n"
            '[clock]\nsimulated = "clock.page"\n'
        )
        command = [sys.executable, "-c", SERVE, str(config)]
        process = subprocess.Popen(command, cwd=ROOT)
        deadline_s = time.monotonic() + 60
        while not self._answers():
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < deadline_s, "the server does not answer"
            time.sleep(0.05)
        return process

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.address}/api/shipments").is_success
        except httpx.TransportError:
            return False

    def set_clock(self, utc_ns: int) -> None:
        """Put the simulated clock to an instant, in place: it is mapped."""
        page = pack_page(2, SimulatedInstant(bytes(16), utc_ns - START_NS, utc_ns))
        with (self.folder / "clock.page").open(
            "r+b" if self._has_clock() else "wb"
        ) as f:
            f.write(page)

    def _has_clock(self) -> bool:
        return (self.folder / "clock.page").exists()

    def tell(self, sealed: list[bytes]) -> None:
        """Append to the ledger and project."""
        journeys.take(self.ledger, self.cast, sealed)
        projection = Projection(self.ledger, self.series)
        while projection.step():
            pass

    def stop(self) -> None:
        """End the server and close the files."""
        self._process.terminate()
        self._process.wait(timeout=10)
        self.ledger.close()
        self.series.close()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = os.environ.get("DOSETRAIL_CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        pytest.fail("no Chromium: install Debian's chromium or set DOSETRAIL_CHROMIUM")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield started
        started.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    found = Served(tmp_path_factory.mktemp("served"))
    yield found
    found.stop()


@pytest.fixture
def visit(browser: Browser, served: Served) -> Iterator[Callable[..., Page]]:
    """Open pages; afterwards nothing may have gone wrong or gone elsewhere."""
    wrong: list[str] = []

    def asked(request: Request) -> None:
        if not request.url.startswith(served.address):
            wrong.append(f"asked elsewhere: {request.url}")

    def visit(path: str, width: int = 1280) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 900})
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("request", asked)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "console",
            lambda m: wrong.append(m.text) if m.type in ("error", "warning") else None,
        )
        page.goto(served.address + path)
        return page

    yield visit
    for context in browser.contexts:
        context.close()
    assert wrong == []


def test_1_an_empty_page_fills_by_itself(
    served: Served, visit: Callable[..., Page]
) -> None:
    page = visit("/")
    page.get_by_text("No shipment yet").wait_for()
    served.tell(journeys.papers(served.cast))
    page.get_by_role("link", name=SHIPMENT).wait_for()
    assert "EXERCISE - simulated" in page.locator(".ribbon").inner_text()


def test_2_a_shipment_moves_without_a_reload(
    served: Served, visit: Callable[..., Page]
) -> None:
    served.tell(served.told[:40])
    served.set_clock(DISPATCHED_NS + 3 * HOUR_NS)
    page = visit(f"/shipments/{SHIPMENT}")
    page.evaluate("window.wasHere = true")
    received = page.locator("[data-test=received]")
    assert received.inner_text() == "40"
    before = page.locator("[data-test=now]").inner_text()
    served.tell(served.told)
    served.tell(journeys.handovers(served.cast))
    served.set_clock(DISPATCHED_NS + round(HOURS * HOUR_NS) + 15 * SECOND_NS)
    expect(received).to_have_text(str(len(served.told)))
    page.get_by_text("the receiver signed before the giver").wait_for()
    assert page.locator("[data-test=now]").inner_text() != before
    assert page.evaluate("window.wasHere") is True
    assert page.locator("#link").inner_text() == "live"


def test_3_values_have_their_uncertainty_and_age(visit: Callable[..., Page]) -> None:
    page = visit(f"/shipments/{SHIPMENT}")
    appointment = page.locator("[data-test=appointment]").inner_text()
    assert appointment.replace("\n", " ") == "7.44 ± 0.37 GBq"
    text = page.locator("main").inner_text()
    assert "100.5 % of the prescribed 7.4 GBq" in text
    assert "Advisory: not a dosage determination." in text
    ages = page.locator("time[data-age]").all_inner_texts()
    assert len(ages) > 15
    assert all("ago" in age or age.startswith("in ") for age in ages)


def test_4_an_old_value_says_that_it_is_stale(
    served: Served, visit: Callable[..., Page]
) -> None:
    now_ns = DISPATCHED_NS + round(HOURS * HOUR_NS)
    served.set_clock(now_ns + (30 * 60 + 30) * SECOND_NS)
    page = visit(f"/shipments/{SHIPMENT}")
    # The clock leapt: the page believes it once the server has seen its pace again.
    page.locator("#health .stale", has_text="30 min ago, stale").first.wait_for()
    served.set_clock(now_ns + 15 * SECOND_NS)


def test_5_plots_and_map_are_drawn(visit: Callable[..., Page]) -> None:
    page = visit(f"/shipments/{SHIPMENT}")
    page.locator("[data-plot=temperature] canvas").wait_for()
    for name in ("witness", "temperature", "detectors", "pressure"):
        canvas = page.locator(f"[data-plot={name}] canvas")
        inked = canvas.evaluate(
            "c => new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height)"
            ".data).size > 20"
        )
        assert inked, name
    page.locator("#map path.route").first.wait_for()
    # The flight had no fixes: the way between is dashed.
    assert page.locator("#map path.route.gap").count() == 1
    assert page.locator("#map").get_by_text("last fix").count() == 1
    assert page.locator("svg.window rect.surely").count() == 1


@pytest.mark.parametrize("path", ["/", f"/shipments/{SHIPMENT}"])
def test_6_a_phone_needs_no_sideways_scrolling(
    visit: Callable[..., Page], path: str
) -> None:
    page = visit(path, 360)
    expect(page.locator("#link")).to_have_text("live")
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width == 360


def test_7_the_keyboard_reaches_everything(visit: Callable[..., Page]) -> None:
    page = visit("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    for _press in range(6):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == SHIPMENT:
            break
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/shipments/{SHIPMENT}")
    lane = page.locator("details", has_text="Lane as planned")
    lane.locator("summary").focus()
    page.keyboard.press("Enter")
    assert lane.get_attribute("open") is not None


def test_8_a_screen_reader_finds_its_way(visit: Callable[..., Page]) -> None:
    page = visit(f"/shipments/{SHIPMENT}")
    assert page.locator("html").get_attribute("lang") == "en"
    for landmark in ("banner", "main", "contentinfo", "navigation"):
        assert page.get_by_role(landmark).count() == 1
    assert page.get_by_role("heading", level=1).inner_text() == SHIPMENT
    sections = page.locator("section").count()
    assert page.get_by_role("region").count() == sections > 12  # each has its name
    unnamed = page.evaluate(
        "[...document.querySelectorAll('a, summary, [role=img]')]"
        ".filter(e => !(e.textContent.trim() || e.getAttribute('aria-label'))).length"
    )
    assert unnamed == 0


def test_9_the_first_screen_of_a_phone_answers(visit: Callable[..., Page]) -> None:
    page = visit(f"/shipments/{SHIPMENT}", 390)
    expect(page.locator("#link")).to_have_text("live")
    for part in ("h1", ".status", ".glance", "[data-test=appointment]"):
        box = page.locator(part).first.bounding_box()
        assert box is not None, part
        assert box["y"] + box["height"] <= 664, part  # 844 less the browser's own bars
    glance = page.locator(".glance").inner_text()
    assert "by plan now" in glance
    assert "Milan Malpensa" in glance


def test_10_only_what_is_drawn_is_fetched(visit: Callable[..., Page]) -> None:
    page = visit(f"/shipments/{SHIPMENT}")
    page.locator("[data-plot=witness] canvas").wait_for()
    urls = page.evaluate(
        "performance.getEntriesByType('resource').map(e => e.name)"
        ".filter(n => n.includes('/series'))"
    )
    series = httpx.get(urls[0]).json()["series"]
    drawn = page.locator("[data-plot]").evaluate_all(
        "boxes => boxes.flatMap(b => b.dataset.quantities.split(' '))"
    )
    assert {s["quantity"] for s in series} <= set(drawn)
    assert series


def test_11_the_map_names_handovers_and_why_fixes_are_missing(
    visit: Callable[..., Page],
) -> None:
    page = visit(f"/shipments/{SHIPMENT}")
    page.locator("#map path.route").first.wait_for()
    words = page.locator("#map text").all_text_contents()
    assert any(word.startswith("Milan Malpensa, ") for word in words)
    assert "radio silence" in words
