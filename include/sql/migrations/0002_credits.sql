-- The credit ledger: double entry, append-only, kept true by the database itself.
--
-- There is one way to move credits: INSERT a row into ledger_transaction. The trigger ledger_post then writes the two
-- entries, the two balances and the hold. Every other write to these tables is refused, to their owner too.
--   top_up   issued    -> available   credits bought
--   hold     available -> held        set aside for a run; opens a row of `hold`, which has the transaction's id
--   capture  held      -> spent       paid for leads and contacts that were loaded
--   release  held      -> available   given back
-- The row of an account's `available` bucket is the lock of the whole account: take it first, before any hold.

CREATE TABLE lead_mining.ledger_account (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner             text NOT NULL CHECK (length(owner) BETWEEN 1 AND 200),  -- the credit account's name
    bucket            text NOT NULL CHECK (bucket IN ('available', 'held', 'spent', 'issued')),
    balance           bigint NOT NULL DEFAULT 0,       -- credits; always the sum of the account's entries
    UNIQUE (owner, bucket),
    CHECK (balance >= 0 OR bucket = 'issued')          -- issued: the counterpart of top-ups, so never above zero
);

CREATE TABLE lead_mining.ledger_transaction (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key               text NOT NULL UNIQUE CHECK (length(key) BETWEEN 1 AND 300),  -- idempotency: the same key is done once
    kind              text NOT NULL CHECK (kind IN ('top_up', 'hold', 'capture', 'release')),
    owner             text NOT NULL,
    credits           integer NOT NULL CHECK (credits > 0),
    hold_id           bigint,                          -- what is captured or released
    run_id            bigint REFERENCES lead_mining.run,           -- whom a hold is for; null outside a run
    reference         text CHECK (length(reference) BETWEEN 1 AND 200),  -- payment of a top-up
    created_at        timestamptz NOT NULL DEFAULT now(),
    CHECK ((kind IN ('capture', 'release')) = (hold_id IS NOT NULL)),
    CHECK ((kind = 'top_up') = (reference IS NOT NULL)),
    CHECK (kind = 'hold' OR run_id IS NULL)
);

CREATE TABLE lead_mining.ledger_entry (
    transaction_id    bigint NOT NULL REFERENCES lead_mining.ledger_transaction,
    account_id        bigint NOT NULL REFERENCES lead_mining.ledger_account,
    amount            bigint NOT NULL CHECK (amount <> 0),
    balance_after     bigint NOT NULL,
    PRIMARY KEY (transaction_id, account_id)
);
CREATE INDEX ledger_entry_by_account ON lead_mining.ledger_entry (account_id, transaction_id);

CREATE TABLE lead_mining.hold (
    id                bigint PRIMARY KEY REFERENCES lead_mining.ledger_transaction,
    owner             text NOT NULL,
    run_id            bigint,
    credits           integer NOT NULL CHECK (credits > 0),
    captured          integer NOT NULL DEFAULT 0 CHECK (captured >= 0),
    released          integer NOT NULL DEFAULT 0 CHECK (released >= 0),
    remaining         integer NOT NULL GENERATED ALWAYS AS (credits - captured - released) STORED CHECK (remaining >= 0),
    expires_at        timestamptz NOT NULL             -- from then on reconciliation may release it
);
CREATE INDEX hold_by_run ON lead_mining.hold (run_id);
CREATE INDEX hold_open_by_expiry ON lead_mining.hold (expires_at) WHERE remaining > 0;
ALTER TABLE lead_mining.ledger_transaction ADD FOREIGN KEY (hold_id) REFERENCES lead_mining.hold;
CREATE INDEX ledger_transaction_by_hold ON lead_mining.ledger_transaction (hold_id) WHERE hold_id IS NOT NULL;

CREATE FUNCTION lead_mining.ledger_post() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    source text := CASE NEW.kind WHEN 'top_up' THEN 'issued' WHEN 'hold' THEN 'available' ELSE 'held' END;
    target text := CASE NEW.kind WHEN 'hold' THEN 'held' WHEN 'capture' THEN 'spent' ELSE 'available' END;
BEGIN
    IF NEW.kind = 'top_up' THEN  -- the first one opens the account
        INSERT INTO lead_mining.ledger_account (owner, bucket)
        SELECT NEW.owner, bucket FROM unnest(ARRAY['available', 'held', 'spent', 'issued']) AS bucket
        ON CONFLICT DO NOTHING;
    END IF;
    PERFORM FROM lead_mining.ledger_account WHERE owner = NEW.owner AND bucket = 'available' FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'credit account "%" does not exist', NEW.owner USING ERRCODE = 'foreign_key_violation';
    END IF;

    WITH moved AS (
        UPDATE lead_mining.ledger_account
        SET balance = balance + CASE bucket WHEN source THEN -NEW.credits ELSE NEW.credits END
        WHERE owner = NEW.owner AND bucket IN (source, target)
        RETURNING id, bucket, balance
    )
    INSERT INTO lead_mining.ledger_entry (transaction_id, account_id, amount, balance_after)
    SELECT NEW.id, id, CASE bucket WHEN source THEN -NEW.credits ELSE NEW.credits END, balance FROM moved;

    IF NEW.kind = 'hold' THEN
        INSERT INTO lead_mining.hold (id, owner, run_id, credits, expires_at)
        VALUES (NEW.id, NEW.owner, NEW.run_id, NEW.credits, NEW.created_at + interval '4320 hours');  -- as Odoo's IAP
    ELSIF NEW.kind IN ('capture', 'release') THEN
        UPDATE lead_mining.hold
        SET captured = captured + CASE NEW.kind WHEN 'capture' THEN NEW.credits ELSE 0 END,
            released = released + CASE NEW.kind WHEN 'release' THEN NEW.credits ELSE 0 END
        WHERE id = NEW.hold_id AND owner = NEW.owner;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'hold % of credit account "%" does not exist', NEW.hold_id, NEW.owner
                USING ERRCODE = 'foreign_key_violation';
        END IF;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_post AFTER INSERT ON lead_mining.ledger_transaction
    FOR EACH ROW EXECUTE FUNCTION lead_mining.ledger_post();

-- The proof at commit: whatever wrote it, a transaction has two entries that sum to zero.
CREATE FUNCTION lead_mining.ledger_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    checked bigint;
    entries bigint;
    total   numeric;
BEGIN
    IF TG_TABLE_NAME = 'ledger_entry' THEN
        checked := NEW.transaction_id;
    ELSE
        checked := NEW.id;
    END IF;
    SELECT count(*), coalesce(sum(amount), 0) INTO entries, total FROM lead_mining.ledger_entry WHERE transaction_id = checked;
    IF entries <> 2 OR total <> 0 THEN
        RAISE EXCEPTION 'ledger transaction % is not balanced: % entries with sum %', checked, entries, total
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER ledger_balanced AFTER INSERT ON lead_mining.ledger_transaction DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION lead_mining.ledger_balanced();
CREATE CONSTRAINT TRIGGER ledger_balanced AFTER INSERT ON lead_mining.ledger_entry DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION lead_mining.ledger_balanced();

CREATE FUNCTION lead_mining.ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger refuses % on %.%', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege',
              HINT = 'Credits move by INSERT INTO lead_mining.ledger_transaction alone; a mistake is put right by another transaction.';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON lead_mining.ledger_transaction
    FOR EACH STATEMENT EXECUTE FUNCTION lead_mining.ledger_refuse();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON lead_mining.ledger_entry
    FOR EACH STATEMENT EXECUTE FUNCTION lead_mining.ledger_refuse();
CREATE TRIGGER never_removed BEFORE DELETE OR TRUNCATE ON lead_mining.ledger_account
    FOR EACH STATEMENT EXECUTE FUNCTION lead_mining.ledger_refuse();
CREATE TRIGGER never_removed BEFORE DELETE OR TRUNCATE ON lead_mining.hold
    FOR EACH STATEMENT EXECUTE FUNCTION lead_mining.ledger_refuse();
-- Depth 0: a statement of a client, not of ledger_post.
CREATE TRIGGER posted_only BEFORE INSERT ON lead_mining.ledger_entry
    FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION lead_mining.ledger_refuse();
CREATE TRIGGER posted_only BEFORE INSERT OR UPDATE ON lead_mining.ledger_account
    FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION lead_mining.ledger_refuse();
CREATE TRIGGER posted_only BEFORE INSERT OR UPDATE ON lead_mining.hold
    FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION lead_mining.ledger_refuse();
