"""Copied into AIRFLOW_HOME/config, where Airflow imports it at start.

Every task is a process of its own, and what one of lead mining needs takes up to 3 s to import and to use for the first
time. Done once in the process that forks the tasks (the scheduler with LocalExecutor, the Celery worker), it costs them
nothing.
"""

from __future__ import annotations

import sys

if {"scheduler", "worker"} & set(sys.argv[1:3]):
    import lead_mining.before_fork  # noqa: F401
