-- A run keeps the prices that it was prepared with: its plan, hold, capture, refunds and the audit all go by these. All
-- runs so far had 1 and 1. Columns with a constant default are added without a rewrite of the table.
ALTER TABLE lead_mining.run
    ADD COLUMN lead_credits    integer NOT NULL DEFAULT 1 CHECK (lead_credits > 0),      -- of a lead
    ADD COLUMN contact_credits integer NOT NULL DEFAULT 1 CHECK (contact_credits >= 0);  -- of each of its contacts

DROP VIEW lead_mining.rejected_company;
ALTER TABLE lead_mining.candidate DROP COLUMN cost;

-- What a candidate costs, at its run's prices: the one place in SQL that says so.
CREATE VIEW lead_mining.candidate_cost AS
SELECT c.id AS candidate_id, c.run_id, r.lead_credits + r.contact_credits * c.contacts AS cost
FROM lead_mining.candidate c JOIN lead_mining.run r ON r.id = c.run_id;

CREATE VIEW lead_mining.rejected_company AS
SELECT c.id AS candidate_id, r.request_number, r.saved_search, c.company->>'name' AS name, c.company->>'domain' AS domain,
       c.company->>'country_code' AS country, k.cost, j.rules, j.reasons, j.at AS rejected_at
FROM lead_mining.candidate c
JOIN lead_mining.run r ON r.id = c.run_id AND NOT r.dry_run
JOIN lead_mining.candidate_cost k ON k.candidate_id = c.id
CROSS JOIN LATERAL (
    SELECT array_agg(DISTINCT j.rule ORDER BY j.rule) AS rules, max(j.created_at) AS at,
           array_agg(concat_ws(' ', j.rule || ':', j.value, '= ' || j.duplicate_of) ORDER BY j.id) AS reasons
    FROM lead_mining.rejection j WHERE j.candidate_id = c.id AND j.contact_index IS NULL AND j.severity = 'reject'
) j
WHERE c.state = 'rejected' AND NOT EXISTS (
    SELECT FROM lead_mining.candidate again WHERE again.retry_of = c.id AND again.lead_id IS NOT NULL);

CREATE OR REPLACE FUNCTION lead_mining.ledger_check_refund(refund lead_mining.ledger_transaction) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    paid record;
BEGIN
    SELECT r.credit_account AS account, k.cost, a.provider_conn_id, a.refund_days, (
               SELECT max(t.created_at) FROM lead_mining.hold h
               JOIN lead_mining.ledger_transaction t ON t.hold_id = h.id AND t.kind = 'capture' WHERE h.run_id = r.id) AS at
    INTO paid
    FROM lead_mining.candidate c
    JOIN lead_mining.candidate_cost k ON k.candidate_id = c.id
    JOIN lead_mining.run r ON r.id = c.run_id
    JOIN lead_mining.credit_account a ON a.name = r.credit_account
    WHERE c.id = refund.candidate_id AND c.state = 'loaded';
    IF NOT FOUND OR paid.at IS NULL OR (paid.account, paid.cost) <> (refund.owner, refund.credits) THEN
        RAISE EXCEPTION 'the lead of candidate % was not paid with % credits of account "%"',
            refund.candidate_id, refund.credits, refund.owner USING ERRCODE = 'check_violation';
    ELSIF paid.provider_conn_id IS NOT NULL THEN
        RAISE EXCEPTION 'account "%" mirrors a provider, who alone can refund', paid.account USING ERRCODE = 'check_violation';
    ELSIF refund.created_at > paid.at + make_interval(days => paid.refund_days) THEN
        RAISE EXCEPTION 'the lead of candidate % was paid on %, more than % days ago', refund.candidate_id, paid.at::date,
            paid.refund_days USING ERRCODE = 'check_violation';
    END IF;
END $$;
