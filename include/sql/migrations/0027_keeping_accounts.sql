-- What people decide about credits (payments, refunds, charges by hand, settings, approvals, lost calls) is for who may
-- keep accounts: role.sql lets the role lead_mining_credits write ledger_transaction.reference, and who mines not.
-- Each such row keeps the role that wrote it, for the audit; what was there before has none.

ALTER TABLE lead_mining.ledger_transaction
    DROP CONSTRAINT ledger_transaction_check1,
    ADD CONSTRAINT ledger_transaction_reference_of CHECK (CASE kind  -- a call that is charged speaks for itself
        WHEN 'charge' THEN reference IS NOT NULL OR call_id IS NOT NULL
        ELSE (kind IN ('top_up', 'refund')) = (reference IS NOT NULL) END),
    ADD COLUMN booked_by text;
ALTER TABLE lead_mining.ledger_transaction ALTER COLUMN booked_by SET DEFAULT session_user;

-- Each setting that an account ever had.
CREATE TABLE lead_mining.credit_account_change (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account           text NOT NULL REFERENCES lead_mining.credit_account,
    provider_conn_id  text CHECK (length(provider_conn_id) BETWEEN 1 AND 200),
    monthly_budget    integer,
    low_balance       integer,
    refund_days       integer NOT NULL,
    changed_by        text DEFAULT session_user CHECK (length(changed_by) > 0),
    changed_at        timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX credit_account_change_by_account ON lead_mining.credit_account_change (account, id);
INSERT INTO lead_mining.credit_account_change (account, provider_conn_id, monthly_budget, low_balance, refund_days, changed_by)
SELECT name, provider_conn_id, monthly_budget, low_balance, refund_days, NULL FROM lead_mining.credit_account;

-- With its owner's rights: nobody else writes the history.
CREATE FUNCTION lead_mining.keep_account_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO lead_mining.credit_account_change (account, provider_conn_id, monthly_budget, low_balance, refund_days)
    VALUES (NEW.name, NEW.provider_conn_id, NEW.monthly_budget, NEW.low_balance, NEW.refund_days);
    RETURN NULL;
END $$;
CREATE TRIGGER keep_opening AFTER INSERT ON lead_mining.credit_account
    FOR EACH ROW EXECUTE FUNCTION lead_mining.keep_account_change();
CREATE TRIGGER keep_change AFTER UPDATE ON lead_mining.credit_account FOR EACH ROW
    WHEN ((NEW.provider_conn_id, NEW.monthly_budget, NEW.low_balance, NEW.refund_days) IS DISTINCT FROM
          (OLD.provider_conn_id, OLD.monthly_budget, OLD.low_balance, OLD.refund_days))
    EXECUTE FUNCTION lead_mining.keep_account_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON lead_mining.credit_account_change
    FOR EACH STATEMENT EXECUTE FUNCTION lead_mining.ledger_refuse();
CREATE TRIGGER posted_only BEFORE INSERT ON lead_mining.credit_account_change
    FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION lead_mining.ledger_refuse();

-- An approval: when it was written down, and as which role.
ALTER TABLE lead_mining.run
    ADD COLUMN approved_at timestamptz,
    ADD COLUMN approved_as text CHECK (length(approved_as) > 0);
UPDATE lead_mining.run SET approved_at = created_at WHERE approved_by IS NOT NULL;
CREATE FUNCTION lead_mining.date_approval() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT has_column_privilege('lead_mining.ledger_transaction', 'reference', 'INSERT') THEN
        RAISE EXCEPTION '% may not approve', current_user USING ERRCODE = 'insufficient_privilege';
    END IF;
    NEW.approved_at := clock_timestamp();
    NEW.approved_as := session_user;
    RETURN NEW;
END $$;
CREATE TRIGGER date_approval BEFORE UPDATE OF approved_by ON lead_mining.run FOR EACH ROW
    WHEN (OLD.approved_by IS NULL AND NEW.approved_by IS NOT NULL) EXECUTE FUNCTION lead_mining.date_approval();

-- A person's word on a lost call counts from who may keep accounts; what its balance says, from who mines too.
CREATE FUNCTION lead_mining.check_settling() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT has_column_privilege('lead_mining.ledger_transaction', 'reference', 'INSERT') THEN
        RAISE EXCEPTION '% may not settle a call for a person', current_user USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER settled_by_who_may BEFORE UPDATE ON lead_mining.provider_call FOR EACH ROW
    WHEN (NEW.state <> OLD.state AND NEW.settled_by <> 'balance') EXECUTE FUNCTION lead_mining.check_settling();
