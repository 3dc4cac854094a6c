"""Reading the mining request that `make mine` is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from local_stack.errors import RequestFileError

FIRST_REQUEST = Path(__file__).with_name("first_request.yaml")


def read_request(path: Path) -> dict[str, Any]:
    """The params of the DAG run, as they stand in the YAML file, checked. Raises RequestFileError."""
    from lead_mining.exceptions import InvalidRequest
    from lead_mining.input_files import read_text
    from lead_mining.request import MiningRequest

    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise RequestFileError(f"{path}: {error.strerror if isinstance(error, OSError) else error}") from error
    try:
        params = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RequestFileError(f"{path} is not YAML: {error}") from error
    if not isinstance(params, dict):
        raise RequestFileError(f"{path} holds {type(params).__name__}; wanted: the request's params, as `name: value`")
    try:
        MiningRequest.parse(params)
    except InvalidRequest as error:
        norway = any(p.value is False and p.field.startswith("countries") for p in error.problems)
        hint = '\nWrite "NO" in quotes: YAML reads a bare NO as false.' if norway else ""
        raise RequestFileError(f"{path}: {error}{hint}") from error
    return params
