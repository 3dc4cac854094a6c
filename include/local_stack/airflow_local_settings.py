"""Copied into AIRFLOW_HOME/config, where Airflow imports it at start.

Great Expectations and pandas take 4 s to import and every task is a process of its own. Imported once in the process
that forks the tasks (the scheduler with LocalExecutor, the Celery worker), they cost a task nothing.
"""

from __future__ import annotations

import sys

if {"scheduler", "worker"} & set(sys.argv[1:3]):
    import great_expectations  # noqa: F401
    import pandas  # noqa: F401
    import phonenumbers  # noqa: F401
    import pyarrow  # noqa: F401
