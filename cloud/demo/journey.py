"""One dose, end to end: starts everything, plays the people, reports.

The simulator says what is due (load, fingerprint, handovers, arrival); the people
answer with signed facts over the cloud's API, control with signed commands. With
``--once`` the journey runs as fast as its processes follow, ends with the arrival
report and the check of the sealed history, and the exit status says whether all of
it is right.
"""

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from cloud.demo import papers, stage
from cloud.demo.api import Api, Json
from cloud.demo.disturbance import KILLED, Disturbance, plan
from cloud.demo.influx import HINT, InfluxChoice, choose
from cloud.demo.options import JourneyOptions, check_options
from cloud.demo.people import Person
from cloud.demo.programs import ProgramError, Supervisor
from cloud.demo.screen import Screen, shown
from cloud.demo.world import News, Scene, World
from schemas.facts import FactBody, Handover, HandoverRole
from schemas.units import NS_PER_S

# As fast as the gateway takes the bytes, up to this.
ONCE_SPEED: Final = 3600.0
LIVE_SPEED: Final = 240.0
# Commands are answered at walking pace, so that their counting time is the dose's.
CAREFUL_SPEED: Final = 120.0
_BACKGROUND_S: Final = 300.0
_LOADED_S: Final = 600.0
_COUNTER_SCAN_NS: Final = 15 * NS_PER_S
_PAUSE_S: Final = 0.2
_PATIENCE_S: Final = 45.0


class Journey:
    """One run of the main job."""

    def __init__(
        self,
        options: JourneyOptions,
        setting: stage.Stage,
        influx: InfluxChoice | None = None,
    ) -> None:
        self._options = options
        self._influx = influx
        self._stage = setting
        self._api = Api(setting.address, setting.operator_token)
        self._people = {
            name: Person(name, signer, setting.directory / f"{name}.key")
            for name, signer in setting.people.items()
        }
        self._failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._supervisor = Supervisor(setting.directory, self._fail)
        self._screen = Screen(setting)
        self._world: World | None = None
        self._disturbance: Disturbance | None = None
        self._utc_ns = 0
        self._arrived = asyncio.Event()
        self._ended = asyncio.Event()
        self._errands: set[asyncio.Task[None]] = set()

    def _fail(self, text: str) -> None:
        if not self._failed.done():
            self._failed.set_result(text)

    async def run(self) -> int:
        """Run to the end, or until interrupted; return the exit status.

        Raises:
            ProgramError: a program does not run, or the simulator ended early.
        """
        work = asyncio.create_task(self._work())
        try:
            both: list[asyncio.Future[Any]] = [work, self._failed]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if self._failed.done():
                raise ProgramError(self._failed.result())
            return await work
        except asyncio.CancelledError:
            self._screen.step("stopping")
            raise
        finally:
            self._screen.close()
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            await self._supervisor.stop_all()
            if self._world is not None:
                await self._world.stop()

    async def _work(self) -> int:
        world = await self._start()
        listening = asyncio.create_task(self._listen(world))
        listening.add_done_callback(self._task_done)
        try:
            await self._dispatch(world)
            world.tell({"speed": self._speed})
            await _first(self._ended.wait(), listening)
            await self._finish()
            if not self._options.once:
                self._screen.stays_open()
                await asyncio.Event().wait()
            return await self._conclude()
        finally:
            listening.cancel()

    @property
    def _speed(self) -> float:
        if self._options.speed is not None:
            return self._options.speed
        return ONCE_SPEED if self._options.once else LIVE_SPEED

    # -- programs ----------------------------------------------------------------

    async def _compile(self) -> None:
        if not stage.kernel_cache().exists():
            self._screen.step("compiling the estimator's kernels, once")
            await asyncio.to_thread(stage.compile_kernels)

    async def _start(self) -> World:
        directory = self._stage.directory
        scene = Scene(
            scenario=self._options.scenario,
            directory=directory / "lines",
            log=directory / "simulator.log",
            seed=self._options.seed,
            replay=self._options.replay,
        )
        await self._compile()
        self._screen.step("starting the simulated container")
        self._world = world = await World.start(scene)
        self._supervisor.adopt("simulator", world.pid)
        async for news in world.news():
            if news["kind"] == "ready":
                self._take_time(news, "starts_at_ns")
                break
        if self._options.disturb:
            own = self._influx is not None and self._influx.command is not None
            programs = (*KILLED, "influxd") if own else KILLED
            blows = plan(self._options.seed or 1, self._options.disturb, programs)
            kill = self._supervisor.kill
            self._disturbance = Disturbance(blows, kill, world.tell)
        self._screen.step("starting broker, ingest, projection, page and gateway")
        python = [sys.executable, "-m"]
        config = ["--config", str(self._stage.cloud_config)]
        if self._influx is not None:
            if self._influx.command is not None:
                await self._supervisor.start("influxd", self._influx.command)
            self._screen.note(HINT)
        started = ["broker", "ingest", "project", "web"]
        started += ["notify"] if self._options.webhook else []
        for name in started:
            await self._supervisor.start(name, [*python, "cloud", name, *config])
        config = ["--config", str(self._stage.gateway_config)]
        await self._supervisor.start("gateway", [*python, "gateway", "run", *config])
        await self._api.get("/api/shipments")
        self._screen.page()
        return world

    async def _listen(self, world: World) -> None:
        async for news in world.news():
            self._take_time(news, "utc_ns")
            match news["kind"]:
                case "time":
                    await self._progress(news)
                case "act":
                    self._act(world, news)
                case "end":
                    self._ended.set()
                case "error":
                    self._screen.note(f"simulator: {news['message']}")
                case _:
                    pass
        if not self._ended.is_set():
            self._fail("the simulator ended before the journey did")

    def _take_time(self, news: News, key: str) -> None:
        self._utc_ns = max(self._utc_ns, int(news.get(key, 0)))

    async def _progress(self, news: News) -> None:
        share = float(news["progress"])
        if self._disturbance is not None:
            for blow in self._disturbance.progress(share):
                self._screen.note(f"{blow.what} {blow.target}")
        self._screen.progress(share, str(news["leg"]), self._utc_ns)

    # -- people and control ------------------------------------------------------

    async def _dispatch(self, world: World) -> None:
        """Papers in, gateway assigned, background counted; then the journey."""
        self._screen.step("papers: order, confirmation, certificate, consignment")
        await self._say("centre", papers.profile())
        await self._say("order-desk", papers.order())
        await self._say("producer", papers.confirmation())
        await self._say("producer", papers.certificate())
        await self._say("producer", papers.consignment(*stage.packing()))
        world.tell({"speed": CAREFUL_SPEED})
        self._screen.step("assigning the gateway by signed command")
        await self._command("assign", {})
        self._screen.step("fingerprint: background without the vial")
        await self._fingerprint("background", _BACKGROUND_S)

    async def _fingerprint(self, step: str, real_time_s: float) -> None:
        body = {"step": step, "real_time_s": real_time_s}
        await self._command("fingerprint", body)

    def _act(self, world: World, news: News) -> None:
        self._screen.act(news, self._utc_ns)
        errand = asyncio.create_task(self._answer(world, news, self._utc_ns))
        self._errands.add(errand)
        errand.add_done_callback(self._errands.discard)
        errand.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(str(error) or repr(error))

    async def _answer(self, world: World, news: News, utc_ns: int) -> None:
        match news["what"]:
            case "fingerprint":
                world.tell({"speed": min(CAREFUL_SPEED, self._speed)})
                await self._say("producer", papers.survey_at(utc_ns), utc_ns)
                await self._fingerprint("loaded", _LOADED_S)
                world.tell({"speed": self._speed})
            case "handover":
                await self._handover(news, utc_ns)
            case "accept":
                await self._say("centre", papers.assay_at(utc_ns), utc_ns)
                await self._say("centre", papers.acceptance_at(utc_ns), utc_ns)
                self._arrived.set()
            case _:
                pass

    async def _handover(self, news: News, utc_ns: int) -> None:
        number = secrets.token_bytes(16)
        place = papers.PLACES[str(news["place"])]
        for role in HandoverRole:
            giver, receiver = str(news["from"]), str(news["to"])
            body = Handover(
                shipment=papers.SHIPMENT,
                handover=number,
                role=role,
                giver=giver,
                receiver=receiver,
                place=place.name,
                condition="no damage seen",
                seal=papers.SEAL,
                seal_intact=True,
                latitude_deg=place.latitude_deg,
                longitude_deg=place.longitude_deg,
            )
            if role is HandoverRole.GIVER:
                await self._say(giver, body, utc_ns)
            else:
                await self._say(receiver, body, utc_ns + _COUNTER_SCAN_NS)

    async def _say(self, name: str, body: FactBody, utc_ns: int | None = None) -> None:
        at_ns = self._utc_ns if utc_ns is None else utc_ns
        await self._api.post_fact(self._people[name].say(body, at_ns))

    async def _command(self, kind: str, body: dict[str, Json]) -> None:
        """Issue a command and wait for the gateway's answer in the ledger."""
        path = f"/api/shipments/{papers.SHIPMENT}/{kind}"
        counter = (await self._api.post(path, body))["counter"]
        path = f"/api/gateways/{stage.GATEWAY}/commands/{counter}"

        async def is_answered() -> bool:
            return bool((await self._api.get(path))["answer"])

        await self._until(is_answered, f"the answer to {kind}")

    async def _until(self, holds: Callable[[], Awaitable[bool]], what: str) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                while not await holds():  # noqa: ASYNC110 - another process's state
                    await asyncio.sleep(_PAUSE_S)
        except TimeoutError as error:
            raise ProgramError(
                f"no sign of {what} within {_PATIENCE_S:.0f} s: see the logs in "
                f"{self._stage.directory / 'logs'}"
            ) from error

    # -- the end -----------------------------------------------------------------

    async def _finish(self) -> None:
        """Hand in what is left, release the gateway, deliver everything."""
        await self._arrived.wait()
        await asyncio.gather(*self._errands)
        if self._disturbance is not None:
            await self._disturbance.settle()
        self._screen.step("releasing the gateway")
        await self._command("release", {})
        self._screen.step("delivering what is left")
        status = await self._supervisor.stop("gateway")
        if status != 0:
            raise ProgramError(f"the gateway ended with status {status}")
        await self._until(self._is_complete, "the whole history in the ledger")

    async def _is_complete(self) -> bool:
        health = await self._health()
        return health["contiguous"] is not None and health["backlog"] == 0

    async def _health(self) -> Json:
        for health in await self._api.get("/api/gateways"):
            if health["gateway"] == stage.GATEWAY:
                return health
        return {"contiguous": None, "backlog": None}

    async def _conclude(self) -> int:
        """Print the arrival report and the check of the sealed history."""
        path = f"/api/shipments/{papers.SHIPMENT}/arrival"
        self._screen.arrival(await self._api.get(path))
        self._screen.counts(self._supervisor.starts(), await self._health())
        directory = Path(shown(self._stage.directory))
        history = str(directory / f"{papers.SHIPMENT}.dosetrail")
        shipment = ["--shipment", papers.SHIPMENT, "--out", history]
        config = ["--config", str(directory / "cloud.toml")]
        exported = await self._tool("export", *config, *shipment)
        keys = ["--keys", str(directory / "keys.json")]
        checked = await self._tool("verify", history, *keys)
        if exported or checked:
            self._screen.note("the sealed history is not complete: see above")
        return exported or checked

    async def _tool(self, *arguments: str) -> int:
        """Run one of the cloud's own commands, its output on this screen."""
        self._screen.command(*arguments)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "cloud", *arguments
        )
        return await process.wait()


async def _first(wanted: Awaitable[object], other: asyncio.Task[None]) -> None:
    """Wait for ``wanted``; if the other task ends first with an error, raise it."""
    task = asyncio.ensure_future(wanted)
    await asyncio.wait({task, other}, return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        task.cancel()
        await other


def run(options: JourneyOptions) -> int:
    """Run the main job; return its exit status.

    Raises:
        ProgramError: something does not run; the message says what and where to look.
    """
    check_options(options)
    directory = options.directory
    if directory is None:
        directory = stage.new_directory(stage.project_root() / "var" / "runs")
    # Kernels that one run compiled are there for the next.
    os.environ.setdefault("NUMBA_CACHE_DIR", str(stage.kernel_cache()))
    lock = stage.claim(directory)
    with_dose = options.replay is not None
    setting = stage.set_up(directory.resolve(), options.port, with_dose=with_dose)
    try:
        return asyncio.run(_until_told(options, setting))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 0 if not options.once else 128 + signal.SIGINT
    finally:
        os.close(lock)


async def _until_told(options: JourneyOptions, setting: stage.Stage) -> int:
    task = asyncio.current_task()
    if task is not None:
        # As Ctrl-C: the programs are stopped before this one ends. A closed terminal
        # says SIGHUP; who ignores that, as nohup does, goes on.
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    influx = None
    if options.influx:
        influx = choose(setting.directory, options)
        with setting.cloud_config.open("a", encoding="utf-8") as configuration:
            configuration.write(f"\n{influx.section}")
    if options.webhook is not None:
        stage.add_webhook(setting, options.webhook)
    return await Journey(options, setting, influx).run()
