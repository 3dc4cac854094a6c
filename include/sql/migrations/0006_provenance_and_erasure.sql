-- Where each value came from, the record of erasures, and the columns that personal data may stand in.

-- A page as received is kept for as long as it is needed: then its body goes, and the row says when.
ALTER TABLE lead_mining.raw_page
    ALTER COLUMN body DROP NOT NULL,
    ADD COLUMN removed_at timestamptz,
    ADD CHECK ((body IS NULL) = (removed_at IS NOT NULL));

-- One row for each value of each loaded lead (contact_index null) and of each of its contacts; not the values.
CREATE VIEW lead_mining.provenance AS
SELECT c.lead_id, c.id AS candidate_id, v.contact_index, v.field, r.provider, r.request_number, r.run_key,
       k.asked_at, p.received_at, c.page_number, r.request->>'lawful_basis' AS lawful_basis,
       p.removed_at IS NULL AS raw_page_kept
FROM lead_mining.candidate c
JOIN lead_mining.run r ON r.id = c.run_id
JOIN lead_mining.raw_page p ON (p.run_id, p.page_number) = (c.run_id, c.page_number)
LEFT JOIN lead_mining.provider_call k ON (k.run_id, k.page_number, k.state) = (c.run_id, c.page_number, 'answered')
CROSS JOIN LATERAL (
    SELECT NULL::integer AS contact_index, company.key AS field, company.value
    FROM jsonb_each(c.company) AS company WHERE company.key <> 'contacts'
    UNION ALL
    SELECT (contact.position - 1)::integer, of_contact.key, of_contact.value
    FROM jsonb_array_elements(c.company->'contacts') WITH ORDINALITY AS contact (value, position),
         jsonb_each(contact.value) AS of_contact
) AS v
WHERE c.state = 'loaded' AND v.value NOT IN ('null', '[]', '""');

-- What was erased: how much and where, and what is left for a person to decide. No personal data.
CREATE TABLE lead_mining.erasure (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject_kind      text NOT NULL CHECK (subject_kind IN ('email', 'domain', 'lead')),
    subject_digest    text NOT NULL CHECK (subject_digest ~ '^[0-9a-f]{64}$'),       -- sha256 of the normalised value
    requested_by      text NOT NULL CHECK (length(requested_by) BETWEEN 1 AND 200),  -- who had it done
    reference         text CHECK (length(reference) BETWEEN 1 AND 200),              -- ticket or letter
    erased_at         timestamptz NOT NULL DEFAULT now(),
    certificate       jsonb NOT NULL
);
CREATE INDEX erasure_by_subject ON lead_mining.erasure (subject_kind, subject_digest);

CREATE FUNCTION lead_mining.erasure_refuse() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'certificates of erasure are never changed: % on %.% is refused', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege', HINT = 'Erasing again writes another certificate.';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON lead_mining.erasure
    FOR EACH STATEMENT EXECUTE FUNCTION lead_mining.erasure_refuse();

-- Every column of ours that text can stand in, of tables that are added later too. `changeable`: erasure may write into
-- it. The others are looked at, and what is found is named in the certificate: the ledger and certificates are never
-- changed, settings are people's own, what is made from the CRM follows it, and keys would be found no more.
CREATE VIEW lead_mining.text_column AS
SELECT t.relname::text AS table_name, a.attname::text AS column_name,
       CASE WHEN a.atttypid IN ('json'::regtype, 'jsonb'::regtype) THEN 'json'
            WHEN y.typcategory = 'A' THEN 'array' ELSE 'text' END AS kind,
       t.relname NOT IN ('ledger_account', 'ledger_transaction', 'ledger_entry', 'hold', 'monthly_use', 'credit_account',
                         'balance_report', 'migration', 'suppression', 'erasure', 'candidate_key', 'known_company')
       AND (t.relname, a.attname) NOT IN (('run', 'provider'), ('run', 'credit_account'), ('run', 'request_number'),
                                          ('provider_call', 'provider'), ('candidate', 'company'))
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
