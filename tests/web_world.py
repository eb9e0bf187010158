"""A site over the real ledger and series, asked without a socket, for tests."""

import asyncio
from pathlib import Path
from typing import Any

import httpx

from cloud.adapters.ledger import open_ledger
from cloud.adapters.series import SqliteSeries
from cloud.projection import Projection
from cloud.web.app import create_app
from cloud.web.desk import Desk
from cloud.web.site import Site
from tests import journeys
from tests.builders import SECOND_NS
from tests.journeys import DISPATCHED_NS, HOUR_NS, Cast

TOKEN = "operators-only"  # noqa: S105 - of these tests
OPERATOR = {"authorization": f"Bearer {TOKEN}"}


class StoppedClock:
    """A clock that stands where it is put."""

    def __init__(self, utc_ns: int, *, exercise: bool = True) -> None:
        self.now_ns = utc_ns
        self.exercise = exercise

    def boot_ns(self) -> int:
        return self.now_ns - DISPATCHED_NS

    def utc_ns(self) -> int:
        return self.now_ns


class World:
    """A site with its ledger, and a client that asks it."""

    def __init__(self, folder: Path, *, exercise: bool = True) -> None:
        self.cast = Cast(exercise=exercise)
        self.ledger = open_ledger(f"sqlite:///{folder / 'ledger.sqlite'}")
        self.series = SqliteSeries(folder / "series.sqlite")
        self.clock = StoppedClock(DISPATCHED_NS, exercise=exercise)
        self.desk = Desk(self.ledger, self.series, self.clock)
        self.shows_positions = True
        self.queue: str | None = None

    def tell(self, sealed: list[bytes], lag_ns: int = 0) -> None:
        journeys.take(self.ledger, self.cast, sealed, lag_ns)
        projection = Projection(self.ledger, self.series)
        while projection.step():
            pass

    def travel(self, hours: float) -> None:
        self.tell(journeys.papers(self.cast))
        self.tell(journeys.handovers(self.cast))
        self.tell(journeys.telemetry(self.cast, hours))
        self.clock.now_ns = DISPATCHED_NS + round(hours * HOUR_NS) + 20 * SECOND_NS

    def call(
        self,
        method: str,
        path: str,
        **more: Any,  # noqa: ANN401 - as httpx has them
    ) -> httpx.Response:
        site = Site(
            self.desk,
            lambda: self.cast.registry,
            self.cast.cloud.signer,
            TOKEN,
            self.shows_positions,
            queue=self.queue,
        )
        transport = httpx.ASGITransport(create_app(site))

        async def call() -> httpx.Response:
            address = "http://test"
            async with httpx.AsyncClient(
                transport=transport, base_url=address
            ) as client:
                return await client.request(method, path, **more)

        return asyncio.run(call())

    def get(self, path: str, **more: Any) -> Any:  # noqa: ANN401 - JSON
        response = self.call("GET", path, **more)
        assert response.status_code == 200, response.text
        return response.json()


def site_without_desk() -> Site:
    """Return a site for looking at its document only: nothing can be asked of it."""
    ledger, series = open_ledger("sqlite://"), SqliteSeries(":memory:")
    desk = Desk(ledger, series, StoppedClock(DISPATCHED_NS))
    cast = Cast()
    return Site(desk, lambda: cast.registry, cast.cloud.signer, None, False)
