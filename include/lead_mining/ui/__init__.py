"""The pages in the Airflow UI: routes, who may see what, and which database it is read from.

`app.py` puts the routers together for `plugins/lead_mining_ui.py`; how a page looks stands in `lead_mining.pages`.
"""
