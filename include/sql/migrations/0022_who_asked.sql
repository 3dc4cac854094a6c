-- Who asked for a run: the log-in at Airflow; null where nobody triggered it, or an older version prepared it.
ALTER TABLE lead_mining.run ADD COLUMN asked_by text;
