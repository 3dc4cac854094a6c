-- Which of a run's providers gave what.
ALTER TABLE lead_mining.raw_page
    ADD COLUMN provider          text,                            -- connection id; null: the run's first
    ADD COLUMN unfinished        boolean NOT NULL DEFAULT false,  -- what it brought is not whole: go on at next_cursor
    ADD COLUMN contacts_through  integer CHECK (contacts_through > 0); -- set: asked for contacts alone, of companies that
                                                                  -- others sold, up to this position

-- Values of a candidate that came on other pages than the candidate. A row a field of the company; `contacts` stands for
-- all contacts, which are one provider's, and may have come on several of its pages.
CREATE TABLE lead_mining.value_source (
    candidate_id      bigint NOT NULL REFERENCES lead_mining.candidate,
    field             text NOT NULL,
    page_number       integer NOT NULL,                           -- of the candidate's run
    PRIMARY KEY (candidate_id, field, page_number)
);

CREATE OR REPLACE VIEW lead_mining.provenance AS
SELECT c.lead_id, c.id AS candidate_id, v.contact_index, v.field, coalesce(p.provider, r.provider) AS provider,
       r.request_number, r.run_key, k.asked_at, p.received_at, p.page_number, r.request->>'lawful_basis' AS lawful_basis,
       p.removed_at IS NULL AS raw_page_kept
FROM lead_mining.candidate c
JOIN lead_mining.run r ON r.id = c.run_id
CROSS JOIN LATERAL (
    SELECT NULL::integer AS contact_index, company.key AS field, company.value
    FROM jsonb_each(c.company) AS company WHERE company.key <> 'contacts'
    UNION ALL
    SELECT (contact.position - 1)::integer, of_contact.key, of_contact.value
    FROM jsonb_array_elements(c.company->'contacts') WITH ORDINALITY AS contact (value, position),
         jsonb_each(contact.value) AS of_contact
) AS v
CROSS JOIN LATERAL (
    SELECT min(s.page_number) AS page_number FROM lead_mining.value_source s
    WHERE s.candidate_id = c.id AND s.field = CASE WHEN v.contact_index IS NULL THEN v.field ELSE 'contacts' END
) s
JOIN lead_mining.raw_page p ON (p.run_id, p.page_number) = (c.run_id, coalesce(s.page_number, c.page_number))
LEFT JOIN lead_mining.provider_call k ON (k.run_id, k.page_number, k.state) = (p.run_id, p.page_number, 'answered')
WHERE c.lead_id IS NOT NULL AND v.value NOT IN ('null', '[]', '""');

CREATE OR REPLACE VIEW lead_mining.text_column AS
SELECT t.relname::text AS table_name, a.attname::text AS column_name,
       CASE WHEN a.atttypid IN ('json'::regtype, 'jsonb'::regtype) THEN 'json'
            WHEN y.typcategory = 'A' THEN 'array' ELSE 'text' END AS kind,
       t.relname NOT IN ('ledger_account', 'ledger_transaction', 'ledger_entry', 'hold', 'monthly_use', 'credit_account',
                         'balance_report', 'migration', 'suppression', 'erasure', 'candidate_key', 'known_company')
       AND (t.relname, a.attname) NOT IN (('run', 'provider'), ('run', 'credit_account'), ('run', 'request_number'),
                                          ('provider_call', 'provider'), ('raw_page', 'provider'),
                                          ('candidate', 'company'))
       AND a.attgenerated = '' AND y.typcategory <> 'A'
       AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = t.oid AND a.attnum = ANY (k.conkey)
                       AND (k.contype IN ('p', 'u', 'f') OR k.contype = 'c' AND a.atttypid = 'text'::regtype)) AS changeable
FROM pg_class t
JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type y ON y.oid = a.atttypid
LEFT JOIN pg_type element ON element.oid = y.typelem AND y.typcategory = 'A'
WHERE t.relnamespace = 'lead_mining'::regnamespace AND t.relkind IN ('r', 'p')
  AND ('S' IN (y.typcategory, element.typcategory)
       OR y.oid IN ('json'::regtype, 'jsonb'::regtype)
       OR element.oid IN ('json'::regtype, 'jsonb'::regtype));
