"""A lead that we load is what Odoo 17 itself would have written: each recording of an Odoo, mined again by us."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from odoo_recordings import FOLDER, Recording, recordings

from provider_simulator.testing import Simulator

from .conftest import Dump
from .mining import mine
from .report import failing, results
from .starting_state import set_starting_state

pytestmark = [
    pytest.mark.skipif(not FOLDER.exists(), reason=f"no recordings of an Odoo 17 in {FOLDER}"),
    pytest.mark.usefixtures("load_all_that_odoo_loads"),
]


@pytest.mark.parametrize("recording", recordings(), ids=str)
def test_we_write_what_odoo_wrote(
    recording: Recording,
    crm_kind: str,
    conn: psycopg.Connection,
    dump: Dump,
    simulator: Simulator,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    set_starting_state(conn, recording, dump.names)
    tables = mine(conn, recording, dump.names, simulator, tmp_path).compare(dump.schema)
    record_property("parity", json.dumps(results(recording.name, crm_kind, tables)))
    if found := failing(tables):
        pytest.fail("\n".join(map(str, found)), pytrace=False)
