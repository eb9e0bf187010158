"""Live: server-sent events that say that there is something new, and what time it is.

An event carries the server's clock and its speed, so that a page counts ages on in
simulated time, and a version; a page whose version differs reads itself again. Events
come at most about twice a second, at least every few seconds; a comment keeps
proxies from closing the line. ``Last-Event-ID`` needs no memory on this side: a page
that comes back is told the present state at once.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from cloud.errors import CloudError
from cloud.web.desk import Desk
from cloud.web.formats import certain_text
from cloud.web.site import site_of

router: Final = APIRouter(prefix="/api", tags=["reading"])
POLL_S: Final = 0.5
TICK_S: Final = 5.0
COMMENT_S: Final = 15.0


@router.get(
    "/live",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Server-sent events without end",
            "content": {
                "text/event-stream": {
                    "schema": {"type": "string"},
                    "example": "id: 812-9\nevent: state\ndata: "
                    '{"now": "2026-11-26T11:00:00Z", "speed": 1.0, "exercise": false}',
                }
            },
        }
    },
)
async def live(request: Request) -> StreamingResponse:
    """Stream the server's clock and the version of what there is to show."""
    return StreamingResponse(
        events(site_of(request).desk),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def events(desk: Desk) -> AsyncIterator[str]:
    """Yield events and comments until the reader goes."""
    shown: tuple[int, int] | None = None
    ticked_s = commented_s = time.monotonic()
    yield "retry: 2000\n\n"
    while True:
        now_s = time.monotonic()
        version = await _version(desk)
        is_due = now_s - ticked_s >= TICK_S
        if version is not None and (version != shown or is_due):
            yield _event(desk, version)
            shown, ticked_s = version, now_s
        if now_s - commented_s >= COMMENT_S:
            yield ": still here\n\n"
            commented_s = now_s
        await asyncio.sleep(POLL_S)


async def _version(desk: Desk) -> tuple[int, int] | None:
    try:
        return await run_in_threadpool(desk.version)
    except CloudError:
        return None  # locked for a moment: the next round tells


def _event(desk: Desk, version: tuple[int, int]) -> str:
    now_ns, speed = desk.pace.read()
    data = json.dumps(
        {
            "now": certain_text(now_ns),
            "speed": round(speed, 3),
            "exercise": desk.clock.exercise,
        }
    )
    return f"id: {version[0]}-{version[1]}\nevent: state\ndata: {data}\n\n"
