-- When a run's request was made in the CRM. A module that is installed anew begins its ids and numbers again: a row
-- there is the run's own only if all three agree. A run and its request are made in one transaction, so at one time.
ALTER TABLE lead_mining.run ADD COLUMN crm_request_made_at timestamp;
WITH RECURSIVE made AS (
    SELECT id, created_at FROM lead_mining.run WHERE retry_of IS NULL
    UNION ALL
    SELECT again.id, made.created_at FROM lead_mining.run again JOIN made ON again.retry_of = made.id
)
UPDATE lead_mining.run SET crm_request_made_at = made.created_at AT TIME ZONE 'utc'
FROM made WHERE made.id = run.id AND run.crm_request_id IS NOT NULL;
