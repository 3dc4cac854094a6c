-- The audit: proves from the database alone that each credit was spent on a lead or a contact that was put into the CRM,
-- that nothing paid for was lost, and that nothing was bought or paid twice.
--     psql -d odoo -f include/sql/audit.sql
-- Where all agrees it prints how many things each check looked at. Where anything does not, it FAILS: the error names
-- each discrepancy with what was expected and what was found, and psql ends with exit code 3. One query, which only
-- reads; the role lead_mining may run it. A run that is still under way is no discrepancy; what a salesperson deleted
-- in the CRM after it was loaded is counted as that.
-- Claims: 0 the ledger itself, 1 spent on leads and contacts, 2 nothing lost, 3 nothing twice.
\set ON_ERROR_STOP on

WITH in_crm AS MATERIALIZED (  -- each loaded lead beside what the CRM has of it
    SELECT c.id, c.run_id, c.lead_id, r.lead_credits + r.contact_credits * c.contacts AS cost, c.note_message_id, r.run_key, r.credit_account,
           c.company->>'reveal_id' AS reveal_id, l.id IS NOT NULL AS there, l.reveal_id AS reveal_id_there,
           coalesce((m.model, m.res_id) <> ('crm.lead', c.lead_id), false) AS note_is_elsewhere,
           -- a lead that is deleted in Odoo takes its notes along, and one that is merged gives them to another
           l.id IS NULL AND coalesce((m.model, m.res_id) = ('crm.lead', c.lead_id), false)
           OR c.lead_id > coalesce((SELECT last_value FROM pg_sequences WHERE schemaname = 'public'
                                    AND sequencename = 'crm_lead_id_seq'), 0) AS never_there
    FROM lead_mining.candidate c
    JOIN lead_mining.run r ON r.id = c.run_id
    LEFT JOIN public.crm_lead l ON l.id = c.lead_id
    LEFT JOIN public.mail_message m ON m.id = c.note_message_id
    WHERE c.state = 'loaded'
), moved AS MATERIALIZED (  -- each transaction with the run and the call that it is for
    SELECT t.id, t.kind, t.owner, t.credits, t.hold_id, t.call_id, t.candidate_id, t.created_at,
           coalesce(h.run_id, t.run_id) AS run_id, a.provider_conn_id IS NOT NULL AS mirrored
    FROM lead_mining.ledger_transaction t
    LEFT JOIN lead_mining.hold h ON h.id = t.hold_id
    LEFT JOIN lead_mining.credit_account a ON a.name = t.owner
), used AS (  -- what budgets count: by the month of the hold
    SELECT scope, name, date_trunc('month', coalesce(h.created_at, m.created_at) AT TIME ZONE 'utc')::date AS month,
           sum(CASE m.kind WHEN 'release' THEN -m.credits ELSE m.credits END) AS credits
    FROM moved m
    LEFT JOIN lead_mining.ledger_transaction h ON h.id = m.hold_id
    LEFT JOIN lead_mining.run r ON r.id = m.run_id
    CROSS JOIN LATERAL (VALUES ('account', m.owner), ('search', r.saved_search)) AS budget (scope, name)
    WHERE m.kind IN ('hold', 'charge', 'release') AND name IS NOT NULL
    GROUP BY 1, 2, 3
), miner AS (  -- who may not keep accounts
    SELECT rolname::text FROM pg_roles WHERE NOT has_column_privilege(oid, 'lead_mining.ledger_transaction', 'reference', 'INSERT')
), done AS (SELECT run_id, step FROM lead_mining.run_step),
examined (claim, "check", what, expected, found) AS (
    SELECT 0, 'balance_is_the_sum_of_its_entries', format('%s of account %s', a.bucket, a.owner),
           coalesce(sum(e.amount), 0)::text, a.balance::text
    FROM lead_mining.ledger_account a LEFT JOIN lead_mining.ledger_entry e ON e.account_id = a.id GROUP BY a.id
    UNION ALL
    SELECT 0, 'transaction_has_two_entries', format('%s, transaction %s', t.kind, t.id),
           format('%s and %s', -t.credits, t.credits), coalesce(string_agg(e.amount::text, ' and ' ORDER BY e.amount), 'none')
    FROM lead_mining.ledger_transaction t LEFT JOIN lead_mining.ledger_entry e ON e.transaction_id = t.id GROUP BY t.id
    UNION ALL
    SELECT 0, 'held_is_the_sum_of_holds', format('account %s', a.owner), coalesce(sum(h.remaining), 0)::text, a.balance::text
    FROM lead_mining.ledger_account a LEFT JOIN lead_mining.hold h ON h.owner = a.owner WHERE a.bucket = 'held' GROUP BY a.id
    UNION ALL
    SELECT 0, 'hold_is_what_was_done_with_it', format('hold %s', h.id),
           format('%s captured, %s released', coalesce(sum(m.credits) FILTER (WHERE m.kind = 'capture'), 0),
                  coalesce(sum(m.credits) FILTER (WHERE m.kind = 'release'), 0)),
           format('%s captured, %s released', h.captured, h.released)
    FROM lead_mining.hold h LEFT JOIN moved m ON m.hold_id = h.id GROUP BY h.id
    UNION ALL
    SELECT 0, 'budget_counts_what_was_used', format('%s %s, %s', scope, name, to_char(month, 'YYYY-MM')),
           coalesce(used.credits, 0)::text, coalesce(counted.credits, 0)::text
    FROM used FULL JOIN lead_mining.monthly_use AS counted USING (scope, name, month)
    UNION ALL
    SELECT 0, 'movement_is_on_the_account_of_its_run', format('%s, transaction %s', m.kind, m.id),
           coalesce(r.credit_account, 'the account of a run'), m.owner
    FROM moved m
    LEFT JOIN lead_mining.candidate c ON c.id = m.candidate_id
    LEFT JOIN lead_mining.run r ON r.id = coalesce(m.run_id, c.run_id)
    WHERE m.kind IN ('hold', 'capture', 'release', 'refund')
    UNION ALL
    SELECT 0, 'booked_by_who_may', format('%s, transaction %s', t.kind, t.id), 'who may keep accounts',
           CASE WHEN t.booked_by IN (SELECT rolname FROM miner) THEN t.booked_by ELSE 'who may keep accounts' END
    FROM lead_mining.ledger_transaction t WHERE t.kind IN ('top_up', 'refund') OR t.kind = 'charge' AND t.call_id IS NULL
    UNION ALL
    SELECT 0, 'payment_is_booked_once', format('payment %s', reference), '1', count(*)::text
    FROM lead_mining.ledger_transaction WHERE kind = 'top_up' GROUP BY reference
    UNION ALL
    SELECT 0, 'settings_are_changed_by_who_may', format('account %s, change %s', account, id), 'who may keep accounts',
           CASE WHEN changed_by IN (SELECT rolname FROM miner) THEN changed_by ELSE 'who may keep accounts' END
    FROM lead_mining.credit_account_change
    UNION ALL
    SELECT 0, 'settings_are_the_last_ones_kept', format('account %s', a.name),
           concat_ws(', ', 'kept', h.provider_conn_id, 'budget', h.monthly_budget, 'low', h.low_balance, 'refunds', h.refund_days),
           concat_ws(', ', 'kept', a.provider_conn_id, 'budget', a.monthly_budget, 'low', a.low_balance, 'refunds', a.refund_days)
    FROM lead_mining.credit_account a
    LEFT JOIN LATERAL (SELECT * FROM lead_mining.credit_account_change WHERE account = a.name ORDER BY id DESC LIMIT 1) h ON true
    UNION ALL
    SELECT 0, 'expired_hold_is_given_back', format('hold %s', id), '0',
           CASE WHEN expires_at < now() - interval '3 days' THEN remaining ELSE 0 END::text
    FROM lead_mining.hold

    UNION ALL
    SELECT 1, 'spent_is_what_was_paid', format('account %s', a.owner),
           coalesce(sum(CASE m.kind WHEN 'refund' THEN -m.credits ELSE m.credits END), 0)::text, a.balance::text
    FROM lead_mining.ledger_account a
    LEFT JOIN moved m ON m.owner = a.owner AND m.kind IN ('capture', 'charge', 'refund')
    WHERE a.bucket = 'spent' GROUP BY a.id
    UNION ALL
    SELECT 1, 'run_paid_for_what_it_loaded', format('run %s', r.run_key),
           coalesce((SELECT sum(cost) FROM in_crm WHERE run_id = r.id), 0)::text, coalesce(sum(m.credits), 0)::text
    FROM lead_mining.run r
    LEFT JOIN lead_mining.credit_account a ON a.name = r.credit_account
    LEFT JOIN moved m ON m.run_id = r.id AND m.kind = 'capture'
    WHERE a.provider_conn_id IS NULL GROUP BY r.id
    UNION ALL
    SELECT 1, 'refund_is_what_was_paid', format('candidate %s', c.id),
           (r.lead_credits + r.contact_credits * c.contacts)::text, m.credits::text
    FROM moved m JOIN lead_mining.candidate c ON c.id = m.candidate_id JOIN lead_mining.run r ON r.id = c.run_id
    WHERE m.kind = 'refund'
    UNION ALL
    SELECT 1, 'run_is_as_it_was_planned', format('run %s', r.run_key),
           format('%s leads, at most %s credits', s.result->'lead_number', s.result->'max_cost'),
           format('%s leads, at most %s credits', r.lead_number, r.max_cost)
    FROM lead_mining.run r JOIN lead_mining.run_step s ON s.run_id = r.id AND s.step = 'prepare_request'
    UNION ALL
    SELECT 1, 'approval_was_asked_for', format('run %s', r.run_key),
           (coalesce((r.request->>'approval_threshold')::bigint < r.max_cost, false))::text, r.needs_approval::text
    FROM lead_mining.run r JOIN done ON done.run_id = r.id AND done.step = 'prepare_request' WHERE NOT r.dry_run
    UNION ALL
    SELECT 1, 'cost_was_approved_before_it_was_spent', format('run %s', r.run_key), 'approved before',
           CASE WHEN r.approved_by IS NULL THEN 'not approved'
                WHEN r.approved_at > min(k.asked_at) OR r.approved_at IS NULL THEN 'approved afterwards'
                WHEN r.approved_as IN (SELECT rolname FROM miner) THEN format('approved as %s', r.approved_as)
                ELSE 'approved before' END
    FROM lead_mining.run r JOIN lead_mining.provider_call k ON k.run_id = r.id WHERE r.needs_approval GROUP BY r.id
    UNION ALL
    SELECT 1, 'spent_by_a_run', format('%s, transaction %s', kind, id), 'a run',
           CASE WHEN kind = 'capture' AND run_id IS NOT NULL THEN 'a run' ELSE 'none' END
    FROM moved WHERE kind IN ('capture', 'charge') AND NOT mirrored
    UNION ALL
    SELECT 1, 'spent_on_a_call_or_by_a_person', format('%s, transaction %s', kind, id), 'yes',
           CASE WHEN kind = 'charge' OR call_id IS NOT NULL THEN 'yes' ELSE 'no' END
    FROM moved WHERE kind IN ('capture', 'charge') AND mirrored
    UNION ALL
    SELECT 1, 'call_is_paid_as_charged', format('provider call %s', k.id), 
           CASE k.state WHEN 'answered' THEN least(k.charged, k.most) ELSE k.charged END::text, coalesce(sum(m.credits), 0)::text
    FROM lead_mining.provider_call k
    JOIN lead_mining.run r ON r.id = k.run_id
    JOIN lead_mining.credit_account a ON a.name = r.credit_account AND a.provider_conn_id IS NOT NULL
    LEFT JOIN moved m ON m.call_id = k.id
    WHERE k.state IN ('answered', 'lost', 'not_charged') GROUP BY k.id
    UNION ALL
    SELECT 1, 'contacts_paid_are_contacts_loaded', format('lead %s of run %s', c.lead_id, r.run_key),
           jsonb_array_length(c.company->'contacts')::text, c.contacts::text
    FROM lead_mining.candidate c JOIN lead_mining.run r ON r.id = c.run_id WHERE c.state = 'loaded'
    UNION ALL
    SELECT 1, 'lead_is_in_the_crm', format('lead %s of run %s', lead_id, run_key), 'there, or deleted there',
           CASE WHEN never_there THEN 'never there' ELSE 'there, or deleted there' END
    FROM in_crm
    UNION ALL
    SELECT 1, 'lead_is_the_company_bought', format('lead %s of run %s', lead_id, run_key), reveal_id, reveal_id_there
    FROM in_crm WHERE there
    UNION ALL
    SELECT 1, 'note_is_written', format('lead %s of run %s', lead_id, run_key), 'a note',
           CASE WHEN note_message_id IS NULL THEN 'none' WHEN there AND note_is_elsewhere THEN 'elsewhere' ELSE 'a note' END
    FROM in_crm JOIN done ON done.run_id = in_crm.run_id AND done.step = 'write_enrichment_notes'
    UNION ALL
    SELECT 1, 'for information: lead_was_deleted_in_the_crm', format('lead %s', lead_id), NULL, NULL
    FROM in_crm WHERE NOT there AND NOT never_there
    UNION ALL
    SELECT 1, 'for information: lead_was_refunded', format('candidate %s', candidate_id), NULL, NULL
    FROM moved WHERE kind = 'refund'

    UNION ALL
    SELECT 2, 'answer_is_kept', format('provider call %s', k.id), k.charged::text, coalesce(p.charged::text, 'no page')
    FROM lead_mining.provider_call k LEFT JOIN lead_mining.raw_page p USING (run_id, page_number) WHERE k.state = 'answered'
    UNION ALL
    SELECT 2, 'page_was_written_down_before', format('page %s of run %s', p.page_number, r.run_key), 'a call',
           CASE WHEN p.charged = 0 OR k.id IS NOT NULL THEN 'a call' ELSE 'none' END
    FROM lead_mining.raw_page p
    JOIN lead_mining.run r ON r.id = p.run_id
    LEFT JOIN lead_mining.provider_call k ON (k.run_id, k.page_number, k.state) = (p.run_id, p.page_number, 'answered')
    UNION ALL
    SELECT 2, 'each_company_bought_is_kept', format('run %s', r.run_key), sum(p.found)::text,
           ((SELECT count(*) FROM lead_mining.candidate c WHERE c.run_id = r.id)
            + (SELECT count(*) FROM lead_mining.rejection j WHERE j.run_id = r.id AND (j.rule IN ('readable_record', 'sold_twice') OR (j.step, j.rule) = ('extract', 'no_more_than_asked'))))::text
    FROM lead_mining.run r JOIN lead_mining.raw_page p ON p.run_id = r.id GROUP BY r.id
    UNION ALL
    SELECT 2, 'candidate_came_to_an_end', format('candidate %s', c.id), 'loaded or rejected',
           CASE WHEN c.state IN ('loaded', 'rejected') THEN 'loaded or rejected' ELSE c.state END
    FROM lead_mining.candidate c JOIN done ON done.run_id = c.run_id AND done.step = 'load_leads'
    UNION ALL
    SELECT 2, 'rejection_has_a_reason', format('candidate %s', c.id), 'a reason',
           CASE WHEN bool_or(j.severity = 'reject') THEN 'a reason' ELSE 'none' END
    FROM lead_mining.candidate c LEFT JOIN lead_mining.rejection j ON j.candidate_id = c.id
    WHERE c.state = 'rejected' GROUP BY c.id
    UNION ALL
    SELECT 2, 'bought_is_loaded_within_7_days', format('run %s', r.run_key), 'loaded',
           CASE WHEN done.run_id IS NULL AND max(p.received_at) < now() - interval '7 days' THEN 'not loaded' ELSE 'loaded' END
    FROM lead_mining.run r
    JOIN lead_mining.raw_page p ON p.run_id = r.id
    LEFT JOIN done ON done.run_id = r.id AND done.step = 'load_leads'
    WHERE NOT r.dry_run AND p.charged > 0 GROUP BY r.id, done.run_id
    UNION ALL
    SELECT 2, 'call_is_settled_within_7_days', format('provider call %s', id), 'settled',
           CASE WHEN state IN ('open', 'unknown') AND asked_at < now() - interval '7 days' THEN state ELSE 'settled' END
    FROM lead_mining.provider_call
    UNION ALL
    SELECT 2, 'for information: charge_is_in_doubt', format('page %s of run id %s', page_number, run_id), NULL, NULL
    FROM lead_mining.charge_doubt
    UNION ALL
    SELECT 2, 'for information: answer_never_came', format('provider call %s', id), NULL, NULL
    FROM lead_mining.provider_call WHERE state = 'lost'

    UNION ALL
    SELECT 3, 'page_is_bought_once', format('page %s of run id %s', page_number, run_id), '1', count(*)::text
    FROM lead_mining.provider_call WHERE state = 'answered' GROUP BY run_id, page_number
    UNION ALL
    SELECT 3, 'run_is_paid_once', format('run id %s', run_id), '1', count(*)::text
    FROM moved WHERE kind = 'capture' AND call_id IS NULL AND run_id IS NOT NULL GROUP BY run_id
    UNION ALL
    SELECT 3, 'lead_is_paid_once', format('lead %s', lead_id), '1', count(*)::text FROM in_crm GROUP BY lead_id
    UNION ALL
    SELECT 3, 'company_is_loaded_once', format('leads %s', string_agg(lead_id::text, ', ' ORDER BY lead_id)), '1', count(*)::text
    FROM in_crm WHERE there AND reveal_id IS NOT NULL GROUP BY reveal_id
), discrepancy AS (
    SELECT * FROM examined WHERE expected IS DISTINCT FROM found
)
-- Below is what a person sees; audit.py reads the discrepancies instead. The cast fails and shows what it was to cast.
SELECT claim, "check", count(*) AS looked_at,
       CASE WHEN EXISTS (SELECT FROM discrepancy) THEN (
           SELECT format(E'%s DISCREPANCIES', count(*)) || string_agg(format(E'\n  claim %s, %s: %s: expected %s, found %s', claim,
                         "check", what, coalesce(expected, 'nothing'), coalesce(found, 'nothing')), '' ORDER BY claim, "check", what)
           FROM discrepancy)::integer ELSE 0 END AS discrepancies
FROM examined GROUP BY claim, "check" ORDER BY claim, "check" LIKE 'for information%', "check";
