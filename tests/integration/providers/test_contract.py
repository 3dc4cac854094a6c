"""Our providers, each held to the contract by the suite that other packages run, too."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from contract_table import note_case

from lead_mining.testing.contract import ProviderContract
from lead_mining.testing.stage import Stage


class TestContract(ProviderContract):
    @pytest.fixture(params=["apollo", "lead_catalog", "odoo_dnb", "odoo_iap", "people_data_labs"])
    def stage(self, request: pytest.FixtureRequest, new_stage: Callable[[str], Stage]) -> Stage:
        note_case(request, request.param)
        return new_stage(request.param)
