"""Airflow and browsers for the tests of routes."""

from __future__ import annotations

from airflow_pages import airflow_run, anonymous, token_of, user, viewer

__all__ = ["airflow_run", "anonymous", "token_of", "user", "viewer"]
