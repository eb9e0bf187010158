"""``dosetrail-cloud paper``: check, sign and send what people state about a shipment.

Exit codes: 0 done; 1 a person is needed (remarks to look at, or nothing was sent and
sending again is safe); 2 refused, by us or by the cloud, with the reason.
"""

import json
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from cloud.adapters.chain_file import chain_path, sign_to_file
from cloud.adapters.key_file import load_signer
from cloud.adapters.shared_clock import open_clock
from cloud.arrival import ADVISORY
from cloud.config import ClockConfig
from cloud.errors import ConfigError
from cloud.figures import in_unit, unit_of
from cloud.paper_checks import remarks
from cloud.paper_sheet import PaperError
from cloud.paper_together import together
from cloud.paper_words import both_times, describe
from cloud.papers import Paper, open_paper
from cloud.signing import Author
from cloud.verification import RefusalReason
from schemas.envelope import digest, open_envelope
from schemas.errors import ContractError
from schemas.facts import KINDS, Certificate, Fact, read_fact
from schemas.products import catalogue, edition, product
from schemas.units import NS_PER_S, S_PER_HOUR, instant_ns

EXIT_PERSON: Final = 1
EXIT_REFUSED: Final = 2
USUAL_URL: Final = "http://127.0.0.1:8800"
_TIMEOUT_S: Final = 10.0
_MAX_ANSWER_BYTES: Final = 64 * 1024
_REMEDIES: Final = {
    RefusalReason.UNKNOWN_KEY: "add the public key with dosetrail-cloud keys add",
    RefusalReason.WRONG_OWNER: "sign with the --author whom the registry names",
    RefusalReason.EQUIVOCATION: (
        "the chain's file was lost or is an old copy: draw a new key"
    ),
    RefusalReason.BROKEN_LINK: (
        "the chain's file was lost or is an old copy: draw a new key"
    ),
}

paper_app = typer.Typer(
    help="Orders, certificates and other papers: check, sign and send them.",
    no_args_is_help=True,
)


@paper_app.command("check")
def check(
    files: Annotated[list[Path], typer.Argument(help="Papers, *.toml.")],
) -> None:
    """Say in plain words what papers state; several are checked together.

    Order and certificate together give the activity at the planned infusion.
    """
    papers = _open_all(files)
    found = 0
    for paper in papers:
        typer.echo(f"{paper.path}: {chr(10).join(describe(paper.body))}")
        found += _say_remarks(paper.path, _all_remarks(paper))
    finding = together(papers)
    for line in finding.lines:
        typer.echo(line)
    found += _say_remarks("together", finding.remarks)
    if found:
        raise typer.Exit(EXIT_PERSON)


@paper_app.command("sign")
def sign(  # noqa: PLR0913 - one parameter per option
    *,
    file: Annotated[Path, typer.Argument(help="The paper, *.toml.")],
    key: Annotated[Path, typer.Option(help="The author's private key.")],
    author: Annotated[str, typer.Option(help="The author, as in the registry.")],
    out: Annotated[Path, typer.Option(help="The file to write, *.cose.")],
    chain: Annotated[
        Path | None,
        typer.Option(help="The author's chain; by default KEY.chain.json."),
    ] = None,
    exercise: Annotated[
        bool, typer.Option("--exercise", help="Mark it as a training or simulation.")
    ] = False,
    clock: Annotated[
        Path | None, typer.Option(help="The simulator's clock; implies --exercise.")
    ] = None,
    despite_remarks: Annotated[
        bool, typer.Option("--despite-remarks", help="Sign what has remarks.")
    ] = False,
) -> None:
    """Seal a paper as the author's next fact into a new file."""
    paper = _open_all([file])[0]
    if _say_remarks(paper.path, _all_remarks(paper)) and not despite_remarks:
        typer.echo("not signed: look at the remarks, or sign with --despite-remarks")
        raise typer.Exit(EXIT_PERSON)
    ticking = open_clock(ClockConfig(simulated=None if clock is None else str(clock)))
    signs = Author(author, load_signer(key), exercise or ticking.exercise)
    utc_ns = ticking.utc_ns()
    chain = chain or chain_path(key)
    try:
        end = sign_to_file(signs, paper.body, utc_ns, out=out, chain=chain)
    except ContractError as error:
        raise PaperError(f"{file}: {error}") from error
    mark = ", an exercise" if signs.exercise else ""
    at = both_times(utc_ns, 0)
    typer.echo(f"{out}: {author}, number {end.sequence - 1}, at {at}{mark}")


@paper_app.command("send")
def send(
    file: Annotated[Path, typer.Argument(help="A signed fact, *.cose.")],
    url: Annotated[str, typer.Option(help="Address of the cloud.")] = USUAL_URL,
) -> None:
    """Hand a signed fact to the cloud; the same one again has no effect."""
    sealed = _read(file)
    header = _fact(file, sealed).header
    what = f"{file}: {header.kind} of {header.author}, number {header.sequence}"
    status, answer = _post(url, sealed)
    is_ours = answer.get("digest") == digest(sealed).hex()
    if status in (200, 201) and is_ours:
        typer.echo(f"{what}: {answer.get('outcome')}")
        return
    if status == 422 and "reason" in answer:
        remedy = _REMEDIES.get(answer["reason"])
        more = f"; {remedy}" if remedy else ""
        detail = f"{answer['reason']}: {answer.get('detail')}"
        typer.echo(f"{what}: refused: {detail}{more}", err=True)
        raise typer.Exit(EXIT_REFUSED)
    why = answer.get("detail", "and is no dosetrail cloud")
    typer.echo(
        f"{what}: not taken: {url} answered {status} {why}; sending it again is safe",
        err=True,
    )
    raise typer.Exit(EXIT_PERSON)


@paper_app.command("volume")
def volume(
    certificate: Annotated[Path, typer.Argument(help="The certificate, *.toml.")],
    at: Annotated[str, typer.Option(help="When it is given, with its zone.")],
    weight_kg: Annotated[
        float,
        typer.Option(
            prompt="body weight in kg (not kept, not sent)",
            min=1.0,
            max=500.0,
            help="Body weight; asked for if not given, so that no shell keeps it.",
        ),
    ],
) -> None:
    """Say the volume of a product that is dosed by body weight; nothing is sent."""
    body = _open_all([certificate])[0].body
    if not isinstance(body, Certificate):
        raise PaperError(
            f"{certificate}: is of kind {KINDS[type(body)]}: name a certificate"
        )
    at_ns, vial = instant_ns(at), body.contents
    label = product(vial.product)
    elapsed_s = (at_ns - vial.reference_at_ns) / NS_PER_S
    drawn_ml = label.volume_by_weight_ml(weight_kg, elapsed_s)
    typer.echo(f"{label.name}, {both_times(at_ns, 0)}: {drawn_ml:.2f} mL")
    typer.echo(
        f"by the label's concentration and {label.label_half_life_d} d; {ADVISORY}"
    )
    is_over = elapsed_s > label.shelf_life_h * S_PER_HOUR
    doubts = [
        (elapsed_s < 0, "that is before the reference instant"),
        (is_over, f"that is after the shelf life{label.mark('shelf_life_h')}"),
        (drawn_ml > vial.volume_ml, f"the vial holds {vial.volume_ml:g} mL"),
    ]
    if _say_remarks("volume", tuple(text for holds, text in doubts if holds)):
        raise typer.Exit(EXIT_PERSON)


@paper_app.command("products")
def products() -> None:
    """List the catalogue: what labels say, and what of it is unverified."""
    typer.echo(f"edition {edition()}")
    for key, label in catalogue().items():
        unit = unit_of(label.nuclide)
        usual = label.activity_gbq
        dose = "" if usual is None else f", {in_unit(usual, label.nuclide):g} {unit}"
        dose += "" if usual is None else label.mark("activity_gbq")
        typer.echo(
            f"{key}: {label.name}, {label.nuclide}{dose}, by {label.dosing}; "
            f"half-life {label.label_half_life_d:g} d"
            f"{label.mark('label_half_life_d')}, shelf life {label.shelf_life_h:g} h"
            f"{label.mark('shelf_life_h')}, to {label.temperature_max_c:g} C"
            f"{label.mark('temperature_max_c')}"
        )
        typer.echo(f"  {label.source}")


def _open_all(files: list[Path]) -> list[Paper]:
    """Open all papers; what is wrong with any of them is said at once."""
    papers, problems = [], []
    for file in files:
        try:
            papers.append(open_paper(_read(file), str(file)))
        except (PaperError, ConfigError) as error:
            problems.append(str(error))
    if problems:
        raise PaperError("\n".join(problems))
    return papers


def _all_remarks(paper: Paper) -> tuple[str, ...]:
    return paper.remarks + remarks(paper.body)


def _say_remarks(where: str, found: tuple[str, ...]) -> int:
    for remark in found:
        typer.echo(f"{where}: LOOK: {remark}")
    return len(found)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file}: cannot read it: {error.strerror}") from error


def _fact(file: Path, sealed: bytes) -> Fact:
    try:
        return read_fact(open_envelope(sealed).payload)
    except ContractError as error:
        raise PaperError(
            f"{file}: no signed fact: {error}; make one with dosetrail-cloud paper sign"
        ) from error


def _post(url: str, sealed: bytes) -> tuple[int, dict[str, Any]]:
    """Post a fact; return status and JSON of the answer, whatever the status.

    Raises:
        ConfigError: ``url`` is no address of a web server.
        Exit: nobody answered.
    """
    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"--url {url}: write http://HOST:PORT or https://HOST")
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
        f"{url.rstrip('/')}/api/facts",
        data=sealed,
        method="POST",
        headers={"Content-Type": "application/cose"},
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310
            return response.status, _json(response.read(_MAX_ANSWER_BYTES))
    except urllib.error.HTTPError as error:
        with error:
            return error.code, _json(error.read(_MAX_ANSWER_BYTES))
    except (OSError, ValueError) as error:
        why = getattr(error, "reason", error)
        print(
            f"{url}: nobody answers: {why}; is dosetrail-cloud web running? "
            "Sending again is safe",
            file=sys.stderr,
        )
        raise typer.Exit(EXIT_PERSON) from error


def _json(data: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(data)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
