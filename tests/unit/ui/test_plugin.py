"""The plugin: that the menu leads to what is served, with everything that the pages ask for."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from lead_mining.ui.privacy_guard import PrivacyGuard


def test_the_menu_leads_out_of_the_frame_to_what_is_served() -> None:
    source = Path(__file__).parents[3] / "plugins" / "lead_mining_ui.py"
    spec = importlib.util.spec_from_file_location("lead_mining_ui", source)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (served,) = module.LeadMiningUiPlugin.fastapi_apps
    (entry,) = module.LeadMiningUiPlugin.external_views
    assert f"/{entry['href']}" == f"{served['url_prefix']}/"
    assert "url_route" not in entry
    assert not entry.get("nav_top_level")  # in Airflow 3.3 a button that leads nowhere
    assert [each["middleware"] for each in module.LeadMiningUiPlugin.fastapi_root_middlewares] == [PrivacyGuard]


@pytest.mark.parametrize("file", ["htmx.min.js", "theme.js", "page.css"])
def test_what_pages_load_is_served_to_everybody(anonymous: TestClient, file: str) -> None:
    assert anonymous.get(f"/lead-mining/static/{file}").status_code == 200
