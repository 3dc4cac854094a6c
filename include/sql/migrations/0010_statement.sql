-- The statement of accounts by what the ledger keeps with each entry, so that its newest lines are read without the rest.
CREATE INDEX ledger_transaction_by_owner ON lead_mining.ledger_transaction (owner, id);

-- One line a transaction, oldest first by id: what a bank would print. `change` and `available` are the account's.
CREATE OR REPLACE VIEW lead_mining.account_statement AS
SELECT t.id, t.created_at AS at, t.owner AS account, t.kind, t.credits,
       CASE WHEN t.kind IN ('top_up', 'release', 'refund') THEN t.credits WHEN t.kind IN ('hold', 'charge') THEN -t.credits ELSE 0 END AS change,
       coalesce(after.available, 0) AS available, coalesce(after.spent, 0) AS spent,
       coalesce(t.hold_id, CASE t.kind WHEN 'hold' THEN t.id END) AS hold,
       r.request_number, t.reference, r.run_key
FROM lead_mining.ledger_transaction t
CROSS JOIN LATERAL (
    SELECT max(last.balance_after) FILTER (WHERE a.bucket = 'available') AS available,
           max(last.balance_after) FILTER (WHERE a.bucket = 'spent') AS spent
    FROM lead_mining.ledger_account a
    CROSS JOIN LATERAL (
        SELECT e.balance_after FROM lead_mining.ledger_entry e
        WHERE e.account_id = a.id AND e.transaction_id <= t.id ORDER BY e.transaction_id DESC LIMIT 1
    ) last
    WHERE a.owner = t.owner AND a.bucket IN ('available', 'spent')
) after
LEFT JOIN lead_mining.hold h ON h.id = coalesce(t.hold_id, t.id)
LEFT JOIN lead_mining.candidate c ON c.id = t.candidate_id
LEFT JOIN lead_mining.run r ON r.id = coalesce(h.run_id, c.run_id);
