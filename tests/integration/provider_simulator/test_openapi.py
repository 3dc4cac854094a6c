"""The simulator answers as its OpenAPI document says, whatever is sent: schemathesis makes it up from the document."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from provider_simulator.app import create_app
from provider_simulator.catalogue import Catalogue
from provider_simulator.generate import generate

_BOOKS = TemporaryDirectory()
_APP = create_app(Catalogue.of(generate(60)), Path(_BOOKS.name, "state.sqlite"), credits=10**9)
# What switches faults and limits on would break the promise for the calls after it
SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", _APP).exclude(path_regex="^/simulator/(faults|replay|limits)")
_CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@SCHEMA.parametrize()
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_answers_are_as_documented(case: Case) -> None:
    case.call_and_validate(checks=_CHECKS)
