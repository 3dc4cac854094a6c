-- Rejections that a person looks at, corrects or overrules: their companies are tried again by a run of their own.

ALTER TABLE lead_mining.run
    ADD COLUMN retry_of bigint REFERENCES lead_mining.run,  -- the run whose rejections are tried again
    ADD COLUMN overruled text[] NOT NULL DEFAULT '{}';     -- rules that a person overruled: they warn, and do not reject
ALTER TABLE lead_mining.candidate
    ADD COLUMN retry_of bigint REFERENCES lead_mining.candidate;   -- the rejected candidate that this one is again
CREATE UNIQUE INDEX candidate_retried_once_a_run ON lead_mining.candidate (run_id, retry_of) WHERE retry_of IS NOT NULL;
CREATE UNIQUE INDEX candidate_loaded_by_one_retry ON lead_mining.candidate (retry_of)
    WHERE retry_of IS NOT NULL AND state = 'loaded';

-- What a person can decide on: companies that were bought and turned down, with all the reasons, and not loaded since.
CREATE VIEW lead_mining.rejected_company AS
SELECT c.id AS candidate_id, r.request_number, r.saved_search, c.company->>'name' AS name, c.company->>'domain' AS domain,
       c.company->>'country_code' AS country, c.cost, j.rules, j.reasons, j.at AS rejected_at
FROM lead_mining.candidate c
JOIN lead_mining.run r ON r.id = c.run_id AND NOT r.dry_run
CROSS JOIN LATERAL (
    SELECT array_agg(DISTINCT j.rule ORDER BY j.rule) AS rules, max(j.created_at) AS at,
           array_agg(concat_ws(' ', j.rule || ':', j.value, '= ' || j.duplicate_of) ORDER BY j.id) AS reasons
    FROM lead_mining.rejection j WHERE j.candidate_id = c.id AND j.contact_index IS NULL AND j.severity = 'reject'
) j
WHERE c.state = 'rejected' AND NOT EXISTS (
    SELECT FROM lead_mining.candidate again WHERE again.retry_of = c.id AND again.state = 'loaded');
