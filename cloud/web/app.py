"""The web server: pages, programming interface, live events, and their defences.

Everything that a page loads comes from this server: no script, style or font from
elsewhere, nothing inline. What people and gateways typed is text, never markup.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Final

import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.staticfiles import StaticFiles

from cloud.adapters.key_file import RegistryFile, load_signer, read_secret
from cloud.adapters.ledger import open_ledger
from cloud.adapters.series import open_series
from cloud.adapters.shared_clock import open_clock
from cloud.config import Config, WebConfig, is_loopback
from cloud.watch import Contact
from cloud.web import (
    alarming,
    api,
    auditing,
    centre_views,
    dose_api,
    health,
    intake,
    live,
    metrics,
    openapi,
    problems,
    views,
)
from cloud.web.desk import Desk
from cloud.web.site import Site

STATIC: Final = Path(__file__).with_name("static")
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(), camera=(), microphone=()",
}
_STOP_S: Final = 2


def create_app(site: Site) -> FastAPI:
    """Return the application for a site."""
    app = FastAPI(
        title="dosetrail",
        summary="Follows radioligand doses; estimates are advisory.",
        version="1",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.site = site
    app.middleware("http")(_defend)
    problems.install(app)
    for part in (
        views,
        centre_views,
        api,
        alarming,
        auditing,
        dose_api,
        health,
        intake,
        live,
    ):
        app.include_router(part.router)
    for part in (alarming, auditing, health):
        app.include_router(part.pages)
    app.openapi = partial(openapi.document, app)  # type: ignore[method-assign]
    metrics.install(app)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app


async def _defend(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    response = await call_next(request)
    response.headers.update(HEADERS)
    is_static = request.url.path.startswith("/static/")
    response.headers["Cache-Control"] = "no-cache" if is_static else "no-store"
    return response


def open_site(config: Config) -> Site:
    """Compose the site that the configuration describes.

    Raises:
        ConfigError: a file of the configuration cannot be used.
    """
    registry = RegistryFile(Path(config.keys.registry))
    return Site(
        desk=Desk(
            open_ledger(config.ledger.url),
            open_series(config.series.path, config.series.influx),
            open_clock(config.clock),
            config.alarms.authorities,
        ),
        registry=registry.current,
        signer=load_signer(Path(config.keys.cloud_key)),
        operator_token=_token(config.web),
        shows_positions=is_loopback(config.web.host),
        contacts=tuple(
            Contact(one.who, one.audience, one.reach) for one in config.alarms.contacts
        ),
        queue=config.notify.path,
    )


def _token(config: WebConfig) -> str | None:
    if config.operator_token_file is not None:
        return read_secret(Path(config.operator_token_file))
    return config.operator_token


def serve(config: Config) -> None:
    """Serve the configured site until the process is told to stop.

    Raises:
        ConfigError: a file of the configuration cannot be used.
    """
    uvicorn.run(
        create_app(open_site(config)),
        host=config.web.host,
        port=config.web.port,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=_STOP_S,
    )
