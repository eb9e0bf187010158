"""Writes lines through ``influxdb-client``, by the route that the server has.

What the server will never take (400, 422: points beyond retention, a field of another
type) is counted and told; the rest of its batch is stored. All else, a full disk, a
restart, a wrong password, may pass: it is an error, and the same lines are written
again later, to the same points.
"""

import gzip
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from cloud.adapters.influx_server import RETENTION, InfluxServer, said
from cloud.adapters.series_rows import SeriesError

BATCH: Final = 5000
# The first level takes a third of the time of the last, for lines that differ little.
_LEVEL: Final = 1
_V2_WRITE: Final = "/api/v2/write"
_PERMANENT: Final = (400, 422)
_TOO_LARGE: Final = 413
_DROPPED: Final = re.compile(r"dropped=(\d+)")
_UNPARSABLE: Final = "unable to parse '"
_REASONS: Final = (
    ("beyond retention policy", "beyond-retention"),
    ("field type conflict", "type-conflict"),
    ("unable to parse", "unparsable"),
    ("limit exceeded", "limit-exceeded"),
)


class Refused(NamedTuple):
    """Lines that the server will never take: why, how many, and its own words."""

    reason: str
    lines: int
    detail: str


class LineWriter:
    """Writes lines of line protocol, timestamps in ns."""

    def __init__(self, server: InfluxServer) -> None:
        self._server = server
        self._api: Any = server.client.write_api(write_options=SYNCHRONOUS)
        # A server with an older interface gets what the client says on its own route.
        server.client.api_client.call_api = self._routed

    def write(self, lines: Sequence[str]) -> list[Refused]:
        """Write lines in batches; return what was refused for good, by reason.

        Raises:
            SeriesError: something that may pass; write all of them again later.
        """
        counts: Counter[str] = Counter()
        details: dict[str, str] = {}
        for at in range(0, len(lines), BATCH):
            for reason, refused, detail in self._write(lines[at : at + BATCH]):
                counts[reason] += refused
                details[reason] = detail
        return [Refused(why, number, details[why]) for why, number in counts.items()]

    def _write(self, lines: Sequence[str]) -> list[Refused]:
        config = self._server.config
        try:
            self._api.write(
                config.bucket or config.database,
                config.org,
                "\n".join(lines).encode(),
                "ns",  # some servers take an unknown unit as ns
            )
        except ApiException as error:
            return self._refused(lines, error)
        except HTTPError as error:
            self._server.forget()
            raise SeriesError(f"{self._server.url} does not answer: {error}") from error
        return []

    def _refused(self, lines: Sequence[str], error: ApiException) -> list[Refused]:
        if error.status not in (*_PERMANENT, _TOO_LARGE):
            raise SeriesError(f"{self._server.url}: {said(error)}") from error
        text = said(error)
        body = str(error.body)
        number = sum(map(int, _DROPPED.findall(body))) + body.count(_UNPARSABLE)
        if "partial write" in body and number:
            return [Refused(_reason(text), min(number, len(lines)), text)]
        if len(lines) == 1:
            return [Refused(_reason(text), 1, text)]
        # All or nothing was taken: find the lines that the server cannot bear.
        middle = len(lines) // 2
        return self._write(lines[:middle]) + self._write(lines[middle:])

    def _routed(self, path: str, method: str, *places: Any, **more: Any) -> Any:  # noqa: ANN401 - of the client
        if path != _V2_WRITE:
            return self._server.call(path, method, *places, **more)
        path_params, query, headers = places
        headers = headers | {"Content-Encoding": "gzip"}
        more["body"] = gzip.compress(more["body"], _LEVEL)
        if self._server.is_1x:
            place = [("db", self._server.config.database), ("rp", RETENTION)]
            path, query = "/write", [*place, ("precision", "ns")]
        return self._server.call(path, method, path_params, query, headers, **more)


def _reason(text: str) -> str:
    return next((name for part, name in _REASONS if part in text), "other")
