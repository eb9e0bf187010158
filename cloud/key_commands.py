"""``dosetrail-cloud keys``: make private keys, and say whom the cloud knows."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cloud.adapters.key_file import add_key, load_registry, load_signer, make_key
from cloud.errors import ConfigError
from schemas.contents import check_gateway_id
from schemas.keys import KID_BYTES, Algorithm, OwnerKind, PublicKey

keys_app = typer.Typer(help="Make private keys; add and show public ones.")

_PUBLIC_BYTES = {32: Algorithm.EDDSA, 65: Algorithm.ES256}


@keys_app.command("new")
def new(
    file: Annotated[Path, typer.Argument(help="The file to make, mode 0600.")],
    es256: Annotated[
        bool, typer.Option("--es256", help="P-256 instead of Ed25519.")
    ] = False,
) -> None:
    """Draw a new private key into FILE and print its public key."""
    algorithm = Algorithm.ES256 if es256 else Algorithm.EDDSA
    signer = make_key(file, algorithm)
    typer.echo(f"{algorithm} kid={signer.kid.hex()} public={signer.public_key.hex()}")


@keys_app.command("add")
def add(
    registry: Annotated[Path, typer.Argument(help="The registry file.")],
    owner: Annotated[str, typer.Option(help="Gateway, person or cloud by name.")],
    kind: Annotated[OwnerKind, typer.Option(help="What the owner may sign.")],
    public: Annotated[
        str | None, typer.Option(help="The public key in hexadecimal.")
    ] = None,
    private_file: Annotated[
        Path | None, typer.Option(help="Or the private key's file.")
    ] = None,
    to_sequence: Annotated[
        int | None, typer.Option(help="Last sequence trusted of a lost gateway.")
    ] = None,
) -> None:
    """Add a public key to REGISTRY, or change the validity of one."""
    if (public is None) == (private_file is None):
        raise ConfigError("keys add: give either --public HEX or --private-file FILE")
    if kind is OwnerKind.GATEWAY:
        check_gateway_id(owner)
    if private_file is not None:
        signer = load_signer(private_file)
        algorithm, raw = signer.algorithm, signer.public_key
    else:
        algorithm, raw = _public(public or "")
    key = PublicKey(owner, kind, algorithm, raw, to_sequence=to_sequence)
    add_key(registry, key)
    typer.echo(f"{registry}: {owner} ({kind}) kid={key.kid.hex()}")


def _public(text: str) -> tuple[Algorithm, bytes]:
    try:
        raw = bytes.fromhex(text)
        return _PUBLIC_BYTES[len(raw)], raw
    except (ValueError, KeyError) as error:
        raise ConfigError(
            "--public: give 64 (Ed25519) or 130 (P-256) hexadecimal digits"
        ) from error


@keys_app.command("show")
def show(
    registry: Annotated[Path, typer.Argument(help="The registry file.")],
) -> None:
    """Print the public keys of REGISTRY."""
    table = Table("owner", "kind", "algorithm", f"kid ({KID_BYTES} bytes)", "trusted")
    for key in load_registry(registry).keys:
        trusted = "" if key.to_sequence is None else f"to {key.to_sequence:,}"
        row = (key.owner, key.kind, key.algorithm, key.kid.hex(), trusted)
        table.add_row(*row)
    Console().print(table)
