"""What every route needs: the desk, who may sign what, and the operators' token."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import HTTPException, Path, Query, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from cloud.errors import ConfigError
from cloud.statements import Voice
from cloud.watch import Contact
from cloud.web.desk import Desk, Situation
from cloud.web.formats import parse_instant
from schemas.errors import MalformedError
from schemas.keys import KeyRegistry, Signer


@dataclass(frozen=True, slots=True)
class Site:
    """The parts of the site; ``shows_positions`` is false where anybody could look.

    ``queue`` is the file of the notifications under way, if there are any.
    """

    desk: Desk
    registry: Callable[[], KeyRegistry]
    signer: Signer
    operator_token: str | None
    shows_positions: bool
    contacts: tuple[Contact, ...] = ()
    queue: str | None = None

    def voice(self) -> Voice:
        """Return the cloud as an author, by the name that the registry gives it."""
        key = self.registry().find(self.signer.kid)
        if key is None:
            raise ConfigError(
                "keys.registry: does not know the cloud's own key; "
                "add it with dosetrail-cloud keys add"
            )
        return Voice(key.owner, self.signer, self.desk.clock.exercise)


ShipmentName = Annotated[
    str, Path(description="The shipment's name", examples=["S-2026-1147"])
]
GatewayName = Annotated[
    str, Path(description="The gateway's name", examples=["gw-ivrea-07"])
]
AsOf = Annotated[
    str | None,
    Query(
        description="Answer with what the ledger held at this instant (RFC 3339)",
        examples=["2026-11-26T12:00:00+01:00"],
    ),
]


_BEARER = HTTPBearer(auto_error=False, description="The operators' token")


def site_of(request: Request) -> Site:
    """Return the site that serves a request."""
    site: Site = request.app.state.site
    return site


def is_operator(request: Request) -> bool:
    """Say whether a request carries the operators' token."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and is_token(site_of(request), given)


def is_token(site: Site, given: str) -> bool:
    """Say whether this is the operators' token, in the same time for any other."""
    token = site.operator_token
    return token is not None and hmac.compare_digest(given.encode(), token.encode())


def require_operator(
    request: Request,
    _given: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)] = None,
) -> None:
    """Refuse a request without the operators' token.

    Raises:
        HTTPException: 403 where no token is configured, 401 where it is not given.
    """
    if site_of(request).operator_token is None:
        raise HTTPException(
            403, "no operator token is configured: set web.operator_token_file"
        )
    if not is_operator(request):
        raise HTTPException(401, "give the operator token as Authorization: Bearer")


def may_see_positions(request: Request) -> bool:
    """Say whether positions may be shown: on this machine, or to an operator."""
    return site_of(request).shows_positions or is_operator(request)


def instant_parameter(text: str | None) -> int | None:
    """Return an instant of the query.

    Raises:
        HTTPException: 422, it is no RFC 3339 instant with a zone.
    """
    try:
        return parse_instant(text)
    except MalformedError as error:
        raise HTTPException(422, str(error)) from error


def situation_or_404(
    site: Site, shipment: str, as_of_ns: int | None = None
) -> Situation:
    """Return a shipment as it stands.

    Raises:
        HTTPException: 404, nothing was said about it.
    """
    found = site.desk.situation(shipment, as_of_ns)
    if found is None:
        raise HTTPException(404, "nothing has been said about this shipment")
    return found
