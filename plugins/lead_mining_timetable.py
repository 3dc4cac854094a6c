"""The schedule of `lead_mining_nightly`, which Airflow reads back from its database by the name registered here."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from lead_mining.nightly import SavedSearchesTimetable


class LeadMiningTimetablePlugin(AirflowPlugin):
    """Registers the timetable."""

    name = "lead_mining_timetable"
    timetables = [SavedSearchesTimetable]
