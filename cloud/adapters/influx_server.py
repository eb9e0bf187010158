"""One InfluxDB server: who speaks to it, which of its routes, and its answers.

Up to 1.x the server is written by ``/write?db=&rp=`` and reached with a password; from
2.0 on, and where no version is told, by ``/api/v2/write?org=&bucket=`` with a token.
Both are read by InfluxQL. The version is that of the header of ``/ping``.
"""

import base64
import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.rest import ApiException
from urllib3 import HTTPResponse
from urllib3.exceptions import HTTPError

from cloud.adapters.key_file import read_secret
from cloud.adapters.series_rows import SeriesError
from cloud.config import InfluxConfig

RETENTION: Final = "dosetrail"
TIMEOUT_MS: Final = 10_000
_PARAMETER: Final = re.compile(r"\$([a-z_]+)")
_FORM: Final = "application/x-www-form-urlencoded"


class Statement(NamedTuple):
    """One InfluxQL statement, and what its answer must look like.

    ``$name`` in the text stands for a parameter. ``measurement`` is None where the
    answer has no name.
    """

    text: str
    measurement: str | None
    columns: tuple[str, ...]


class Table(msgspec.Struct, frozen=True):
    """Part of an answer: the rows of one combination of tags."""

    columns: tuple[str, ...]
    name: str | None = None
    tags: dict[str, str] = {}
    values: list[list[Any]] = []


class _Result(msgspec.Struct, frozen=True):
    statement_id: int
    series: list[Table] = []
    error: str | None = None


class _Answer(msgspec.Struct, frozen=True):
    results: list[_Result] = []
    error: str | None = None


Parameters = dict[str, str | int]


class InfluxServer:
    """A server and the client for it; nothing is sent before it is needed."""

    def __init__(self, config: InfluxConfig) -> None:
        self.config = config
        self.url = config.url.rstrip("/")
        self.client: Any = InfluxDBClient(
            self.url, token="", org=config.org or "", timeout=TIMEOUT_MS
        )
        authorization = _authorization(config)
        if authorization is not None:
            headers = self.client.api_client.default_headers
            headers["Authorization"] = authorization
        self.call: Any = self.client.api_client.call_api
        self._version: str | None = None

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def version(self) -> str:
        """Return the version of the server, empty where it tells none.

        Raises:
            SeriesError: it does not answer.
        """
        if self._version is None:
            response = self._request("/ping", "GET")
            response.drain_conn()
            self._version = response.headers.get("X-Influxdb-Version", "")
        return self._version

    def forget(self) -> None:
        """Ask for the version again: the server may come back as another."""
        self._version = None

    @property
    def is_1x(self) -> bool:
        """True where the server is an InfluxDB 1.x.

        Raises:
            SeriesError: it does not answer.
        """
        return self.version().lstrip("v").startswith("1.")

    def started(self) -> str | None:
        """Return what tells one run of the server from another, where it tells.

        Raises:
            SeriesError: it does not answer.
        """
        if not self.is_1x:
            return None
        columns = ("PID", "currentTime", "started", "uptime")
        statement = Statement("SHOW DIAGNOSTICS FOR 'system'", "system", columns)
        try:
            (table,) = self.ask(statement)
        except SeriesError:
            self.ask(Statement("SHOW DATABASES", "databases", ("name",)))
            return None  # it answers, but tells this to administrators only
        return str(table.values[0][2])

    def ask(self, statement: Statement, **parameters: str | int) -> list[Table]:
        """Return the answer to a statement, one table for each combination of tags.

        Raises:
            SeriesError: no answer, an error, or an answer to something else.
        """
        return self._tables(self._post(statement, parameters, {}), statement)

    def stream(self, statement: Statement, **parameters: str | int) -> Iterator[Table]:
        """Yield the tables of a long answer, in parts, as they come.

        Raises:
            SeriesError: as :meth:`ask`.
        """
        chunked = {"chunked": "true", "chunk_size": "10000"}
        try:
            for line in self._post(statement, parameters, chunked):
                if line.strip():
                    yield from self._tables(line, statement)
        except HTTPError as error:
            raise self._unreachable(error) from error

    def execute(self, text: str) -> None:
        """Run a statement that changes something.

        Raises:
            SeriesError: it could not be run.
        """
        self.ask(Statement(text, None, ()))

    def _post(
        self, statement: Statement, parameters: Parameters, more: dict[str, str]
    ) -> HTTPResponse:
        query = [("db", self.config.database), ("epoch", "ns"), *more.items()]
        form = {"q": statement.text}
        if self.is_1x:
            query.append(("rp", RETENTION))
            form["params"] = json.dumps(parameters)
        else:
            form["q"] = _PARAMETER.sub(
                lambda found: literal(parameters[found[1]]), statement.text
            )
        return self._request(
            "/query",
            "POST",
            query_params=query,
            post_params=form,
            header_params={"Content-Type": _FORM, "Accept": "application/json"},
        )

    def _request(self, path: str, method: str, **more: object) -> HTTPResponse:
        plainly = {"_preload_content": False, "_return_http_data_only": True}
        try:
            response: HTTPResponse = self.call(path, method, **plainly, **more)
        except ApiException as error:
            raise SeriesError(f"{self.url}: {said(error)}") from error
        except HTTPError as error:
            raise self._unreachable(error) from error
        return response

    def _unreachable(self, error: HTTPError) -> SeriesError:
        self.forget()
        return SeriesError(f"{self.url} does not answer: {error}")

    def _tables(
        self, answer: HTTPResponse | bytes, statement: Statement
    ) -> list[Table]:
        data = answer if isinstance(answer, bytes) else answer.data
        try:
            found = msgspec.json.decode(data, type=_Answer)
        except msgspec.MsgspecError as error:
            raise SeriesError(f"{self.url}: no answer to a query: {error}") from error
        failed = found.error or next((r.error for r in found.results if r.error), None)
        if failed is not None:
            raise SeriesError(f"{self.url}: {failed}")
        tables = [table for result in found.results for table in result.series]
        for table in tables:
            # Some servers answer every question with 200 and a list of databases.
            if (table.name, table.columns) != statement[1:]:
                raise SeriesError(
                    f"{self.url} does not answer InfluxQL: asked for "
                    f"{statement.measurement}, it told of {table.name}"
                )
        if not found.results:
            raise SeriesError(f"{self.url}: an answer without a result")
        return tables


def _authorization(config: InfluxConfig) -> str | None:
    if config.token_file is not None:
        return f"Token {read_secret(Path(config.token_file))}"
    if config.username is None or config.password_file is None:
        return None
    pair = f"{config.username}:{read_secret(Path(config.password_file))}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def said(error: ApiException) -> str:
    """Return what a server said in refusing, on one line."""
    body = error.body or error.reason or ""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)
    with contextlib.suppress(ValueError, AttributeError, KeyError):
        text = str(json.loads(text).get("error") or json.loads(text)["message"])
    remedy = ""
    if error.status in (401, 403):
        remedy = "; look at username, password_file and token_file of [series.influx]"
    if "no space left" in text:
        # Measured on 1.6: its writer keeps that failure when there is space again.
        remedy = "; free its disk, then restart it"
    return f"status {error.status}: {' '.join(text.split())[:300]}{remedy}"


def literal(value: str | int) -> str:
    """Return a value as InfluxQL has it; no text can end its quotation."""
    if isinstance(value, int):
        return str(value)
    text = value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{text}'"


def identifier(name: str) -> str:
    """Return a name of a database as InfluxQL has it."""
    text = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'
