-- What becomes of a candidate is written several times, its state first. As no index names the state, and its page has
-- room, PostgreSQL can put the new row beside the old one and leave the indexes alone (HOT). Who is loaded has a lead.
ALTER TABLE lead_mining.candidate SET (fillfactor = 50);
DROP INDEX lead_mining.candidate_loaded;
CREATE INDEX candidate_loaded ON lead_mining.candidate (run_id, position) WHERE lead_id IS NOT NULL;
DROP INDEX lead_mining.candidate_loaded_by_one_retry;
CREATE UNIQUE INDEX candidate_loaded_by_one_retry ON lead_mining.candidate (retry_of)
    WHERE retry_of IS NOT NULL AND lead_id IS NOT NULL;

CREATE OR REPLACE VIEW lead_mining.rejected_company AS
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
    SELECT FROM lead_mining.candidate again WHERE again.retry_of = c.id AND again.lead_id IS NOT NULL);

-- What was known when a run's candidates were told from it: while that has not changed, they are still new.
ALTER TABLE lead_mining.run ADD COLUMN judged_as_of text;
