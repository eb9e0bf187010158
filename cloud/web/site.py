"""What every route needs: the desk, who may sign what, and the operators' token."""

import hmac
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import HTTPException, Request

from cloud.web.desk import Desk, Situation
from cloud.web.formats import parse_instant
from schemas.errors import MalformedError
from schemas.keys import KeyRegistry, Signer


@dataclass(frozen=True, slots=True)
class Site:
    """The parts of the site; ``shows_positions`` is false where anybody could look."""

    desk: Desk
    registry: Callable[[], KeyRegistry]
    signer: Signer
    operator_token: str | None
    shows_positions: bool


def site_of(request: Request) -> Site:
    """Return the site that serves a request."""
    site: Site = request.app.state.site
    return site


def is_operator(request: Request) -> bool:
    """Say whether a request carries the operators' token."""
    token = site_of(request).operator_token
    given = request.headers.get("authorization", "")
    if token is None:
        return False
    return hmac.compare_digest(given.encode(), f"Bearer {token}".encode())


def require_operator(request: Request) -> None:
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
