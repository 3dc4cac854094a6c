-- The audit of the credit ledger: a row for each discrepancy between the ledger and what was bought and loaded.
-- claim 0: the ledger itself; 1: each credit was spent on what was loaded; 2: nothing paid for was lost; 3: nothing was
-- bought twice.
WITH bucket AS (
    SELECT a.owner, a.bucket, a.balance, coalesce(sum(e.amount), 0) AS total
    FROM lead_mining.ledger_account a LEFT JOIN lead_mining.ledger_entry e ON e.account_id = a.id GROUP BY a.id
), local_run AS (
    SELECT r.id, r.run_key, r.crm_request_id,
           (SELECT coalesce(sum(h.captured), 0) FROM lead_mining.hold h WHERE h.run_id = r.id) AS captured,
           (SELECT coalesce(sum(c.cost), 0) FROM lead_mining.candidate c WHERE c.run_id = r.id AND c.state = 'loaded') AS loaded
    FROM lead_mining.run r LEFT JOIN lead_mining.credit_account a ON a.name = r.credit_account
    WHERE NOT r.dry_run AND a.provider_conn_id IS NULL
)
SELECT 0 AS claim, 'balance_is_sum_of_entries' AS "check", format('%s of account %s', bucket, owner) AS what,
       total::text AS expected, balance::text AS found
FROM bucket WHERE balance <> total
UNION ALL
SELECT 0, 'entries_sum_to_zero', format('ledger transaction %s', transaction_id), '0', sum(amount)::text
FROM lead_mining.ledger_entry GROUP BY transaction_id HAVING sum(amount) <> 0 OR count(*) <> 2
UNION ALL
SELECT 0, 'held_is_sum_of_holds', format('account %s', b.owner), coalesce(sum(h.remaining), 0)::text, b.balance::text
FROM bucket b LEFT JOIN lead_mining.hold h ON h.owner = b.owner
WHERE b.bucket = 'held' GROUP BY b.owner, b.balance HAVING b.balance <> coalesce(sum(h.remaining), 0)
UNION ALL
SELECT 1, 'captured_is_loaded', format('run %s', run_key), loaded::text, captured::text
FROM local_run WHERE captured <> loaded
UNION ALL
SELECT 1, 'loaded_lead_is_in_the_crm', format('lead %s of run %s', c.lead_id, r.run_key), 'a row of crm_lead', 'none'
FROM lead_mining.candidate c JOIN lead_mining.run r ON r.id = c.run_id
WHERE c.state = 'loaded' AND c.note_message_id IS NULL -- with a note, it was seen after loading, and deleted since
  AND EXISTS (SELECT FROM lead_mining.run_step s WHERE s.run_id = r.id AND s.step = 'write_enrichment_notes')
  AND NOT EXISTS (SELECT FROM public.crm_lead l WHERE l.id = c.lead_id)
  AND NOT EXISTS (SELECT FROM lead_mining.ledger_transaction t WHERE t.candidate_id = c.id)
UNION ALL
SELECT 2, 'answer_is_stored', format('provider call %s', k.id), k.charged::text, coalesce(p.charged::text, 'no page')
FROM lead_mining.provider_call k LEFT JOIN lead_mining.raw_page p USING (run_id, page_number)
WHERE k.state = 'answered' AND p.charged IS DISTINCT FROM k.charged
UNION ALL
SELECT 2, 'bought_companies_are_kept', format('page %s of run %s', p.page_number, r.run_key), p.found::text, (kept.n)::text
FROM lead_mining.raw_page p JOIN lead_mining.run r ON r.id = p.run_id
CROSS JOIN LATERAL (
    SELECT count(*) AS n FROM lead_mining.candidate c WHERE (c.run_id, c.page_number) = (p.run_id, p.page_number)
) AS kept
WHERE NOT r.dry_run AND kept.n > p.found
UNION ALL
SELECT 2, 'rejection_has_a_reason', format('candidate %s', c.id), 'a rejection', 'none'
FROM lead_mining.candidate c
WHERE c.state = 'rejected' AND NOT EXISTS (
    SELECT FROM lead_mining.rejection j WHERE j.candidate_id = c.id AND j.severity = 'reject')
UNION ALL
SELECT 3, 'page_is_bought_once', format('page %s of run id %s', page_number, run_id), '1', count(*)::text
FROM lead_mining.provider_call WHERE state = 'answered' GROUP BY run_id, page_number HAVING count(*) > 1
UNION ALL
SELECT 3, 'run_is_paid_once', format('run id %s', h.run_id), '1', count(*)::text
FROM lead_mining.ledger_transaction t JOIN lead_mining.hold h ON h.id = t.hold_id
WHERE t.kind = 'capture' AND t.call_id IS NULL AND h.run_id IS NOT NULL GROUP BY h.run_id HAVING count(*) > 1
ORDER BY 1, 2, 3
