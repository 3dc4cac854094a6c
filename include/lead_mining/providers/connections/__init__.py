"""The types of providers that come with lead mining, one module each, named like the connection type.

Airflow loads all of them when it starts, so they import their provider only to make one.
"""
