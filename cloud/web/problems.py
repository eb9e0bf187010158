"""Problems: every error of the programming interface, as RFC 9457 has it.

``type`` is a URN that ends in a closed word, which stands in ``reason`` too, so that a
program need not read the ``detail``, which is for people.
"""

import logging
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from cloud.errors import CloudError
from cloud.web.watch_messages import ProblemMessage

MEDIA_TYPE: Final = "application/problem+json"
_URN: Final = "urn:dosetrail:problem:"
_REASONS: Final = {
    401: "token-missing",
    403: "not-allowed",
    404: "not-found",
    405: "method-not-allowed",
    409: "not-possible-yet",
    413: "too-large",
    422: "invalid",
    503: "busy",
}
_MEANINGS: Final = {
    401: "The operators' token is not given, or is another one",
    403: "Not shown or done here, see the detail",
    404: "Nothing is known by this name",
    409: "Not possible as things stand; the detail says what is missing",
    422: "A value of the request has no meaning; nothing was changed",
    503: "Ledger or series are busy or away; try again after Retry-After seconds",
}
_log: Final = logging.getLogger(__name__)


def problem(status: int, detail: str, reason: str | None = None) -> JSONResponse:
    """Return a problem as an answer; ``reason`` is by the status unless given."""
    word = reason or _REASONS.get(status, "error")
    message = ProblemMessage(
        type=_URN + word,
        title=HTTPStatus(status).phrase,
        status=status,
        reason=word,
        detail=detail,
    )
    return JSONResponse(message.model_dump(), status, media_type=MEDIA_TYPE)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what a route says of its errors; 503 is one of every route."""
    return {status: _response(status) for status in (*statuses, 503)}


def _response(status: int) -> dict[str, Any]:
    reason = _REASONS[status]
    example = {
        "type": _URN + reason,
        "title": HTTPStatus(status).phrase,
        "status": status,
        "reason": reason,
        "detail": _MEANINGS[status],
    }
    schema = {"$ref": "#/components/schemas/ProblemMessage"}
    response: dict[str, Any] = {
        "description": _MEANINGS[status],
        "content": {MEDIA_TYPE: {"schema": schema, "example": example}},
    }
    if status == 503:
        response["headers"] = {
            "Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}
        }
    return response


def install(app: FastAPI) -> None:
    """Answer every error of an application with a problem."""
    app.add_exception_handler(StarletteHTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(CloudError, _busy)


async def _refused(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StarletteHTTPException)  # noqa: S101 - registered for it
    answer = problem(error.status_code, str(error.detail))
    answer.headers.update(error.headers or {})
    if error.status_code == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
    told = [
        f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}"
        for one in error.errors()
    ]
    return problem(422, "; ".join(told))


async def _busy(_request: Request, error: Exception) -> JSONResponse:
    _log.warning("cannot answer now: %s", error)
    answer = problem(503, "try again in a moment")
    answer.headers["Retry-After"] = "1"
    return answer


def conflict(detail: str) -> HTTPException:
    """Return the error that something is not possible as things stand."""
    return HTTPException(409, detail)
