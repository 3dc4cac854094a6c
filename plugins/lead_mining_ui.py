"""Lead mining in the Airflow UI: its pages, their entry in the menu, and what guards people's data."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from lead_mining import links
from lead_mining.ui.app import app
from lead_mining.ui.privacy_guard import PrivacyGuard


class LeadMiningUiPlugin(AirflowPlugin):
    """Serves the pages and puts them into the menu, where they open in a tab of their own."""

    name = "lead_mining_ui"
    fastapi_apps = [{"app": app, "url_prefix": f"/{links.ROOT}", "name": "Lead mining"}]
    fastapi_root_middlewares = [{"middleware": PrivacyGuard, "name": "Guard of the privacy DAGs"}]
    # Relative, so that it holds where Airflow lives below a path. Without url_route, or the pages would be in a frame,
    # in which a sandboxed page's links are sent without the session's cookie, and links could not lead to Airflow.
    # Under Browse: what Airflow 3.3 puts on the menu's top level for such a page is a button that leads nowhere.
    external_views = [{"name": "Lead mining", "href": f"{links.ROOT}/", "destination": "nav", "category": "browse"}]
