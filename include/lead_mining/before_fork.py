"""Imported by the process that forks the tasks: what each of them would import, and make at its first use, by itself.

Imports all that is heavy, and Airflow; see include/local_stack/airflow_local_settings.py.
"""

from __future__ import annotations

import gc
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from tempfile import TemporaryDirectory

import airflow.providers.postgres.hooks.postgres
import airflow.providers.standard.decorators.python
import airflow.providers.standard.operators.hitl
import airflow.sdk.execution_time.cache
import airflow.sdk.execution_time.supervisor
import airflow.sdk.execution_time.task_runner
import airflow.sdk.execution_time.timeout  # noqa: F401
import phonenumbers
import pyarrow  # noqa: F401

import lead_mining.providers
from lead_mining import dag_steps, deadlines, messages, pipeline, rate_limits, story, summary  # noqa: F401
from lead_mining.exceptions import QualityError
from lead_mining.judging import lead_of
from lead_mining.matching.keys import match_keys
from lead_mining.matching.lookalikes import profile
from lead_mining.notes.render import render_note
from lead_mining.providers.base import Company, Contact
from lead_mining.providers.connections.installed import announced, provider_type
from lead_mining.quality import validation  # noqa: F401
from lead_mining.quality.checks import Checks
from lead_mining.request import MiningRequest, dag_params

for _module in walk_packages(lead_mining.providers.__path__, "lead_mining.providers."):
    import_module(_module.name)
for _conn_type in announced():
    with suppress(LookupError):  # one that cannot be used is the business of the run that names it
        provider_type(_conn_type)
phonenumbers.PhoneMetadata.load_all()
dag_params()
_REQUEST = MiningRequest(countries=["US"], search_type="people", preferred_role="CEO")
_CONTACT = Contact(full_name="Nobody", email="nobody@nobody.example", phone="+1 650 253 0000")
_COMPANY = Company(name="Nobödy Ltd", domain="nobody.example", country_code="US", contacts=(_CONTACT,))
match_keys(_COMPANY)
profile(_COMPANY)
render_note(_COMPANY, lead_type="lead", request_number="")
# A rule of one's own that is wrong is the business of the run that it is to judge, which names it.
with suppress(QualityError), TemporaryDirectory() as _docs:
    Checks(_REQUEST, lead_of, Path(_docs)).judge([(0, _COMPANY)])

gc.collect()
gc.freeze()  # else the first full collection in each task looks at all of this, for 0.3 s, and copies its memory
