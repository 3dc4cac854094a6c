"""Copied into AIRFLOW_HOME/config, where Airflow imports it at start.

Every task is a process of its own, and what one of lead mining needs takes up to 3 s to import and to use for the first
time. Done once in the process that forks the tasks (the scheduler with LocalExecutor, the Celery worker), it costs them
nothing.
"""

from __future__ import annotations

import sys

if {"scheduler", "worker"} & set(sys.argv[1:3]):
    from contextlib import suppress
    from pathlib import Path
    from tempfile import TemporaryDirectory

    import airflow.providers.postgres.hooks.postgres
    import airflow.providers.standard.decorators.python
    import airflow.providers.standard.operators.hitl  # noqa: F401
    import phonenumbers
    import pyarrow  # noqa: F401

    from lead_mining import dag_steps, deadlines, judging, messages, pipeline, request, story, summary  # noqa: F401
    from lead_mining.exceptions import QualityError
    from lead_mining.matching.keys import match_keys
    from lead_mining.notes.render import render_note
    from lead_mining.providers import lead_catalog, odoo_iap  # noqa: F401
    from lead_mining.providers.base import Company, Contact
    from lead_mining.quality import validation  # noqa: F401
    from lead_mining.quality.checks import Checks

    phonenumbers.PhoneMetadata.load_all()
    request.dag_params()
    asked = request.MiningRequest(countries=["US"], search_type="people", preferred_role="CEO")
    person = Contact(full_name="Nobody", email="nobody@nobody.example", phone="+1 650 253 0000")
    company = Company(name="Nobody", domain="nobody.example", country_code="US", contacts=(person,))
    match_keys(company)
    render_note(company, lead_type="lead", request_number="")
    # A rule of one's own that is wrong is the business of the run that it is to judge, which names it.
    with (
        suppress(QualityError),
        TemporaryDirectory() as docs,
        Checks(asked, judging.lead_of, Path(docs), "none") as quality,
    ):
        quality.judge([(0, company)])
