"""The files of a recomputation: export, container model, keys."""

from pathlib import Path

from gateway.config import read_file
from gateway.errors import ConfigError, GatewayError
from gateway.estimator.container import container_digest, read_container
from gateway.recompute import Recomputation, recompute
from schemas.errors import ContractError
from schemas.keys import KeyRegistry


def recompute_file(
    export: Path, container: Path, keys: Path | None, tolerance_ratio: float
) -> tuple[Recomputation, str]:
    """Return the recomputation of an export, and the container's name and version.

    Raises:
        ConfigError: a file is unreadable or is not what it should be.
        GatewayError: the export cannot be computed with this container.
    """
    text = read_file(container, "container model")
    model = read_container(text, str(container))
    registry = None if keys is None else _registry(keys)
    data = read_file(export, "export")
    try:
        found = recompute(
            data, model, container_digest(text), registry, tolerance_ratio
        )
    except GatewayError as error:
        raise GatewayError(f"{export}: {error}") from error
    return found, f"{model.name} version {model.version}"


def _registry(path: Path) -> KeyRegistry:
    try:
        return KeyRegistry.from_json(read_file(path, "key registry"))
    except ContractError as error:
        raise ConfigError(f"{path}: {error}") from error
