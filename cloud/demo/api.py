"""The cloud's own API, as the people's devices use it."""

import asyncio
import json
import urllib.error
import urllib.request
from typing import Any, Final

from cloud.errors import CloudError

_TIMEOUT_S: Final = 10.0
_PAUSE_S: Final = 0.3
# A server that was killed is back in seconds.
_PATIENCE_S: Final = 60.0
# It is this machine's own server: a proxy of the environment must not get in between.
_OPENER: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))

Json = Any


class ApiRefusedError(CloudError):
    """The API refused a request, or is not there; the message says which."""


class Api:
    """Calls the API at ``address``, again while the server is not there."""

    def __init__(self, address: str, operator_token: str) -> None:
        self._address = address.rstrip("/")
        self._token = operator_token

    async def get(self, path: str) -> Json:
        """Return the JSON of a GET.

        Raises:
            ApiRefusedError: the server answered with an error, or not at all.
        """
        return await self._call("GET", path, None, "application/json")

    async def post(self, path: str, body: dict[str, Any]) -> Json:
        """Return the JSON of a POST of JSON.

        Raises:
            ApiRefusedError: the server answered with an error.
        """
        data = json.dumps(body).encode()
        return await self._call("POST", path, data, "application/json")

    async def post_fact(self, sealed: bytes) -> Json:
        """Hand in a sealed fact; the same one twice has no effect.

        Raises:
            ApiRefusedError: the fact was refused.
        """
        return await self._call("POST", "/api/facts", sealed, "application/cose")

    async def _call(
        self, method: str, path: str, data: bytes | None, content_type: str
    ) -> Json:
        loop = asyncio.get_running_loop()
        last, until_s = "", loop.time() + _PATIENCE_S
        while loop.time() < until_s:
            request = urllib.request.Request(  # noqa: S310 - own address, http
                self._address + path,
                data=data,
                method=method,
                headers={
                    "Content-Type": content_type,
                    "Authorization": f"Bearer {self._token}",
                },
            )
            try:
                return await asyncio.to_thread(_fetch, request)
            except urllib.error.HTTPError as error:
                text = error.read().decode("utf-8", "replace")
                if error.code < 500:
                    raise ApiRefusedError(f"{method} {path}: {text}") from error
                last = text
            except OSError as error:
                last = str(error)
            await asyncio.sleep(_PAUSE_S)
        raise ApiRefusedError(
            f"{method} {path}: no answer within {_PATIENCE_S:.0f} s: {last}"
        )


def _fetch(request: urllib.request.Request) -> Json:
    with _OPENER.open(request, timeout=_TIMEOUT_S) as response:
        return json.loads(response.read() or b"null")
