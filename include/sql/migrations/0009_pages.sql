-- What the pages in the Airflow UI look requests and leads up by: a page at a time, whatever there is beside it.

CREATE INDEX run_by_saved_search ON lead_mining.run (saved_search, id) WHERE saved_search IS NOT NULL;
CREATE INDEX run_by_number ON lead_mining.run (request_number, id) WHERE request_number IS NOT NULL;
CREATE INDEX run_by_retry_of ON lead_mining.run (retry_of) WHERE retry_of IS NOT NULL;
CREATE INDEX candidate_loaded ON lead_mining.candidate (run_id, position) WHERE state = 'loaded';
CREATE INDEX run_step_validated ON lead_mining.run_step (finished_at) WHERE step = 'validate';
