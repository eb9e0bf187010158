"""Duties: tasks that run side by side until the program stops.

- A duty that fails by a bug is started again after :data:`RESTART_S` and stops no
  other. Its traceback is logged once; of the same failure again only the 2nd, 4th,
  8th... is a line, so that a bug that stays does not fill the disk.
- A :class:`~gateway.errors.GatewayError` is for a person or a restart: it ends the
  task, and :func:`until` raises it.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final

from gateway.errors import GatewayError

RESTART_S: Final = 1.0

Duty = Callable[[], Awaitable[None]]

_log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def running(duties: Sequence[Duty]) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Run duties as tasks until the block is left."""
    tasks = [asyncio.create_task(_keep_running(duty)) for duty in duties]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _keep_running(duty: Duty) -> None:
    last, times = "", 0
    while True:
        try:
            await duty()
        except GatewayError:
            raise
        except Exception as error:  # the one task boundary: start again
            times = times + 1 if repr(error) == last else 1
            last = repr(error)
            if times == 1:
                _log.exception("event=duty_failed restart_s=%s", RESTART_S)
            elif times & (times - 1) == 0:
                _log.error("event=duty_failed times=%d reason=%s", times, last)
        await asyncio.sleep(RESTART_S)


async def until(stop: asyncio.Event, tasks: Sequence[asyncio.Task[None]]) -> None:
    """Wait for ``stop``.

    Raises:
        GatewayError: one of the tasks ended before.
    """
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
    for task in tasks:
        if task.done():
            task.result()
