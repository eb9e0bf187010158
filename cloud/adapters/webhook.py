"""Hands one message to one receiver by HTTP; redirects are not followed."""

import urllib.error
import urllib.request
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from cloud.config import is_loopback

TIMEOUT_S: Final = 10.0
# Statuses that say "not now": everything else of 4xx says that the message is wrong.
_NOT_NOW: Final = frozenset({401, 403, 404, 408, 410, 425, 429})
_MOST_RETRY_AFTER_S: Final = 3600.0


class Outcome(NamedTuple):
    """What became of an attempt; ``error`` is absent where the receiver has it."""

    error: str | None = None
    is_refusal: bool = False
    retry_after_s: float = 0.0


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A receiver that moves is configured anew: a signature must not be passed on."""

    def redirect_request(self, *_args: object, **_more: object) -> None:
        """Follow none."""


_OPENER: Final = urllib.request.build_opener(_NoRedirects())
# A proxy of the environment must not get between programs of this machine.
_DIRECT: Final = urllib.request.build_opener(
    urllib.request.ProxyHandler({}), _NoRedirects()
)


def post(url: str, body: bytes, headers: dict[str, str]) -> Outcome:
    """Post a message; whatever goes wrong is an outcome, nothing is raised."""
    request = urllib.request.Request(  # noqa: S310 - the configuration admits http only
        url, data=body, headers=headers, method="POST"
    )
    try:
        opener = _DIRECT if is_loopback(urlsplit(url).hostname or "") else _OPENER
        with opener.open(request, timeout=TIMEOUT_S) as response:
            response.read(1024)
            return Outcome()
    except urllib.error.HTTPError as error:
        with error:
            is_refusal = 400 <= error.code < 500 and error.code not in _NOT_NOW
            wait_s = _seconds(error.headers.get("Retry-After"))
            return Outcome(f"HTTP {error.code} {error.reason}", is_refusal, wait_s)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return Outcome(f"no answer: {reason}")


def _seconds(text: str | None) -> float:
    if text is None or not text.isascii() or not text.isdigit():
        return 0.0
    return min(float(text), _MOST_RETRY_AFTER_S)
