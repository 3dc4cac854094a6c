-- Made of migrations/ by `python -m lead_mining.migrations`, for role.sql.

CALL pg_temp.apply_migration(1, '0001_runs_and_candidates.sql', $migration$
-- What a run did, asked, received and decided. Personal data stands in raw_page, candidate and rejection only.

CREATE TABLE lead_mining.run (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_key           text NOT NULL UNIQUE,            -- Airflow's dag_id/run_id: the same run is the same row
    request           jsonb NOT NULL,                  -- the MiningRequest, validated
    context           jsonb NOT NULL,                  -- the CRM ids that the request's names stand for
    provider          text NOT NULL,                   -- connection id
    credit_account    text NOT NULL,
    dry_run           boolean NOT NULL,
    lead_number       integer NOT NULL CHECK (lead_number > 0),  -- as asked, or trimmed to what is affordable
    max_cost          integer NOT NULL CHECK (max_cost >= 0),
    needs_approval    boolean NOT NULL,
    approved_by       text,
    crm_request_id    integer,                         -- crm_iap_lead_mining_request.id; null for a dry run
    request_number    text,                            -- LMR001; null for a dry run
    created_at        timestamptz NOT NULL DEFAULT now()
);

-- The result of each step, committed together with the step's work: a step that has its row is never done again.
CREATE TABLE lead_mining.run_step (
    run_id            bigint NOT NULL REFERENCES lead_mining.run,
    step              text NOT NULL,
    result            jsonb NOT NULL,
    finished_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, step)
);

-- Each answer of the provider as received, with what it charged, before the next is asked for.
CREATE TABLE lead_mining.raw_page (
    run_id            bigint NOT NULL REFERENCES lead_mining.run,
    page_number       integer NOT NULL CHECK (page_number > 0),
    asked             integer NOT NULL CHECK (asked > 0),        -- companies asked for
    found             integer NOT NULL CHECK (found >= 0),       -- companies received
    charged           integer NOT NULL CHECK (charged >= 0),     -- credits the provider took
    next_cursor       text,
    body              jsonb NOT NULL,
    received_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, page_number)
);

CREATE TABLE lead_mining.candidate (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id            bigint NOT NULL REFERENCES lead_mining.run,
    position          integer NOT NULL,                -- order of the provider, from 1
    page_number       integer NOT NULL,
    state             text NOT NULL DEFAULT 'extracted' CHECK (state IN ('extracted', 'valid', 'accepted', 'rejected', 'loaded')),
    company           jsonb NOT NULL,                  -- providers.base.Company; contacts that were rejected are taken out
    contacts          integer NOT NULL CHECK (contacts >= 0),
    cost              integer GENERATED ALWAYS AS (1 + contacts) STORED,
    lead_id           integer UNIQUE,                  -- crm_lead.id once loaded
    note_message_id   integer UNIQUE,                  -- mail_message.id once the note is written
    UNIQUE (run_id, position),
    FOREIGN KEY (run_id, page_number) REFERENCES lead_mining.raw_page,
    CHECK ((state = 'loaded') = (lead_id IS NOT NULL))
);

-- By what a candidate is recognised: normalised reveal_id, domain, e-mail, phone.
CREATE TABLE lead_mining.candidate_key (
    candidate_id      bigint NOT NULL REFERENCES lead_mining.candidate,
    kind              text NOT NULL CHECK (kind IN ('reveal_id', 'domain', 'email', 'phone')),
    value             text NOT NULL,
    PRIMARY KEY (candidate_id, kind, value)
);
CREATE INDEX candidate_key_by_value ON lead_mining.candidate_key (kind, value);

-- Why a candidate, or one of its contacts, was not loaded. Never lost.
CREATE TABLE lead_mining.rejection (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id            bigint NOT NULL REFERENCES lead_mining.run,
    candidate_id      bigint REFERENCES lead_mining.candidate,   -- null: the record could not be read as a company
    contact_index     integer,                         -- set: one contact of the candidate, from 0, as extracted
    step              text NOT NULL CHECK (step IN ('extract', 'validate', 'deduplicate', 'debit_credits', 'load_leads')),
    rule              text NOT NULL,                   -- the expectation, or the key that is a duplicate
    field             text,
    value             text,
    severity          text NOT NULL CHECK (severity IN ('reject', 'warn')),
    duplicate_of      text,                            -- 'crm.lead 12', 'candidate 34', 'bought in LMR001'
    record            jsonb,                           -- the raw record, or the contact, that was left out
    created_at        timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX rejection_by_run ON lead_mining.rejection (run_id, step, rule);
CREATE INDEX rejection_by_candidate ON lead_mining.rejection (candidate_id);
$migration$);

CALL pg_temp.apply_migration(2, '0002_credits.sql', $migration$
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
$migration$);

CALL pg_temp.apply_migration(3, '0003_provider_calls_budgets_refunds.sql', $migration$
-- Paid calls written down before they are made; mirrored accounts, budgets, refunds and charges in the ledger.
--   refund    spent     -> available   a lead was reported bad in time
--   charge    available -> spent       the provider took credits outside a hold (mirrored accounts)

-- A credit account's settings. The ledger is the authority on what a local account has; on a mirrored one the provider
-- behind the Airflow connection is, so there each call's charge is captured as it comes.
CREATE TABLE lead_mining.credit_account (
    name              text PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 200),
    provider_conn_id  text CHECK (length(provider_conn_id) BETWEEN 1 AND 200),  -- set: mirrored
    monthly_budget    integer CHECK (monthly_budget >= 0),   -- credits a calendar month (UTC); null: no limit
    low_balance       integer CHECK (low_balance >= 0),      -- a notice is sent when less is available; null: none
    refund_days       integer NOT NULL DEFAULT 30 CHECK (refund_days >= 0),
    notify            text[] NOT NULL DEFAULT '{}',          -- e-mail addresses that the notice goes to
    notice_sent       text CHECK (notice_sent IN ('low', 'empty')),  -- since the last top-up
    opened_at         timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX credit_account_one_mirror_a_connection ON lead_mining.credit_account (provider_conn_id);
INSERT INTO lead_mining.credit_account (name) SELECT DISTINCT owner FROM lead_mining.ledger_account;
ALTER TABLE lead_mining.ledger_account ADD FOREIGN KEY (owner) REFERENCES lead_mining.credit_account;

ALTER TABLE lead_mining.run
    ADD COLUMN saved_search text CHECK (length(saved_search) BETWEEN 1 AND 200),
    ADD COLUMN search_budget integer CHECK (search_budget >= 0),     -- credits a month for all runs of that search
    ADD CHECK (search_budget IS NULL OR saved_search IS NOT NULL);
CREATE INDEX run_by_request ON lead_mining.run (crm_request_id);

-- Each paid call, committed before it is made. What came of it is committed before the next.
CREATE TABLE lead_mining.provider_call (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id            bigint NOT NULL REFERENCES lead_mining.run,
    page_number       integer NOT NULL CHECK (page_number > 0),      -- the page that it asks for
    provider          text NOT NULL,                       -- connection id
    asked             integer NOT NULL CHECK (asked > 0),  -- companies
    most              integer NOT NULL CHECK (most >= 0),  -- credits that it can cost at the provider
    balance_before    bigint,                              -- the provider's, where it tells
    state             text NOT NULL DEFAULT 'open' CHECK (state IN (
                          'open',         -- made, or about to be: no answer was seen yet
                          'answered',     -- its page is stored
                          'not_charged',  -- the provider took nothing: it may be asked again
                          'unknown',      -- the answer is lost and may have been charged: a person decides
                          'lost')),       -- the provider charged, and the answer is lost for good
    charged           integer CHECK (charged >= 0),
    pending_until     timestamptz NOT NULL,                -- until then the provider may still be at work on it
    error             text,
    settled_by        text,                                -- 'balance', or the person who decided
    asked_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at          timestamptz,
    CHECK ((state IN ('open', 'unknown')) = (charged IS NULL)),
    CHECK (state <> 'not_charged' OR charged = 0),
    CHECK ((state = 'open') = (ended_at IS NULL))
);
-- What makes it impossible to buy again what may have been bought.
CREATE UNIQUE INDEX provider_call_one_unsettled_a_run ON lead_mining.provider_call (run_id) WHERE state IN ('open', 'unknown');
CREATE UNIQUE INDEX provider_call_one_answer_a_page ON lead_mining.provider_call (run_id, page_number) WHERE state = 'answered';
CREATE INDEX provider_call_by_provider ON lead_mining.provider_call (provider, asked_at);
CREATE INDEX provider_call_unsettled ON lead_mining.provider_call (asked_at) WHERE state IN ('open', 'unknown');

INSERT INTO lead_mining.provider_call
    (run_id, page_number, provider, asked, most, state, charged, pending_until, asked_at, ended_at)
SELECT p.run_id, p.page_number, r.provider, p.asked, p.charged, 'answered', p.charged, p.received_at, p.received_at, p.received_at
FROM lead_mining.raw_page p JOIN lead_mining.run r ON r.id = p.run_id WHERE NOT r.dry_run ORDER BY p.received_at;

-- What a mirrored account's provider said, beside what the ledger expected.
CREATE TABLE lead_mining.balance_report (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account           text NOT NULL REFERENCES lead_mining.credit_account,
    reported          bigint NOT NULL,
    expected          bigint NOT NULL,                     -- available and held
    unsettled_calls   integer NOT NULL,
    reported_at       timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX balance_report_by_account ON lead_mining.balance_report (account, id);

-- The ledger.

ALTER TABLE lead_mining.ledger_transaction
    DROP CONSTRAINT ledger_transaction_kind_check,
    DROP CONSTRAINT ledger_transaction_check1,
    ADD COLUMN candidate_id bigint REFERENCES lead_mining.candidate,       -- the lead of a refund
    ADD COLUMN call_id bigint REFERENCES lead_mining.provider_call,        -- what a mirrored account was charged for
    ADD CHECK (kind IN ('top_up', 'hold', 'capture', 'release', 'refund', 'charge')),
    ADD CHECK ((kind IN ('top_up', 'refund', 'charge')) = (reference IS NOT NULL)),
    ADD CHECK ((kind = 'refund') = (candidate_id IS NOT NULL)),
    ADD CHECK (call_id IS NULL OR kind IN ('capture', 'charge'));
CREATE UNIQUE INDEX ledger_transaction_one_refund_a_lead ON lead_mining.ledger_transaction (candidate_id)
    WHERE candidate_id IS NOT NULL;
CREATE INDEX ledger_transaction_by_call ON lead_mining.ledger_transaction (call_id) WHERE call_id IS NOT NULL;

-- Credits held or spent in a calendar month (UTC), by the month of the hold: what budgets limit.
CREATE TABLE lead_mining.monthly_use (
    scope             text NOT NULL CHECK (scope IN ('account', 'search')),
    name              text NOT NULL,
    month             date NOT NULL,
    credits           bigint NOT NULL CHECK (credits >= 0),
    PRIMARY KEY (scope, name, month)
);
INSERT INTO lead_mining.monthly_use (scope, name, month, credits)
SELECT 'account', h.owner, date_trunc('month', t.created_at AT TIME ZONE 'utc')::date, sum(h.captured + h.remaining)
FROM lead_mining.hold h JOIN lead_mining.ledger_transaction t ON t.id = h.id GROUP BY 1, 2, 3;

CREATE FUNCTION lead_mining.ledger_check_refund(refund lead_mining.ledger_transaction) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    paid record;
BEGIN
    SELECT r.credit_account AS account, c.cost, a.provider_conn_id, a.refund_days, (
               SELECT max(t.created_at) FROM lead_mining.hold h
               JOIN lead_mining.ledger_transaction t ON t.hold_id = h.id AND t.kind = 'capture' WHERE h.run_id = r.id) AS at
    INTO paid
    FROM lead_mining.candidate c
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

CREATE FUNCTION lead_mining.ledger_count_use(posted lead_mining.ledger_transaction) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    counted lead_mining.ledger_transaction := posted;  -- the hold, whose month and run it is
    used    bigint;
    budget  record;
BEGIN
    IF posted.kind = 'release' THEN
        SELECT * INTO counted FROM lead_mining.ledger_transaction WHERE id = posted.hold_id;
    END IF;
    FOR budget IN  -- the account first: a fixed order, so that nobody waits in a circle
        SELECT 'account' AS scope, name, monthly_budget AS most FROM lead_mining.credit_account WHERE name = posted.owner
        UNION ALL
        SELECT 'search', saved_search, search_budget FROM lead_mining.run WHERE id = counted.run_id AND saved_search IS NOT NULL
        ORDER BY scope
    LOOP
        IF posted.kind = 'release' THEN
            UPDATE lead_mining.monthly_use SET credits = credits - posted.credits
            WHERE scope = budget.scope AND name = budget.name
              AND month = date_trunc('month', counted.created_at AT TIME ZONE 'utc')::date;
        ELSE
            INSERT INTO lead_mining.monthly_use AS u (scope, name, month, credits)
            VALUES (budget.scope, budget.name, date_trunc('month', counted.created_at AT TIME ZONE 'utc')::date, posted.credits)
            ON CONFLICT (scope, name, month) DO UPDATE SET credits = u.credits + excluded.credits
            RETURNING u.credits INTO used;
            IF posted.kind = 'hold' AND used > budget.most THEN
                RAISE EXCEPTION 'the monthly budget of % "%" is % credits, and this makes it %', budget.scope, budget.name,
                    budget.most, used USING ERRCODE = 'check_violation', CONSTRAINT = 'monthly_budget';
            END IF;
        END IF;
    END LOOP;
END $$;

-- With its owner's rights: who mines may insert transactions, and write none of what follows from them.
CREATE OR REPLACE FUNCTION lead_mining.ledger_post() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    source text := CASE NEW.kind WHEN 'top_up' THEN 'issued' WHEN 'hold' THEN 'available' WHEN 'charge' THEN 'available'
                                 WHEN 'refund' THEN 'spent' ELSE 'held' END;
    target text := CASE NEW.kind WHEN 'hold' THEN 'held' WHEN 'capture' THEN 'spent' WHEN 'charge' THEN 'spent' ELSE 'available' END;
BEGIN
    IF NEW.kind = 'top_up' THEN  -- the first one opens the account
        INSERT INTO lead_mining.credit_account (name) VALUES (NEW.owner) ON CONFLICT DO NOTHING;
        INSERT INTO lead_mining.ledger_account (owner, bucket)
        SELECT NEW.owner, bucket FROM unnest(ARRAY['available', 'held', 'spent', 'issued']) AS bucket
        ON CONFLICT DO NOTHING;
        UPDATE lead_mining.credit_account SET notice_sent = NULL WHERE name = NEW.owner AND notice_sent IS NOT NULL;
    END IF;
    PERFORM FROM lead_mining.ledger_account WHERE owner = NEW.owner AND bucket = 'available' FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'credit account "%" does not exist', NEW.owner USING ERRCODE = 'foreign_key_violation';
    END IF;
    IF NEW.kind = 'refund' THEN
        PERFORM lead_mining.ledger_check_refund(NEW);
    ELSIF NEW.kind = 'charge' AND NOT EXISTS (
            SELECT FROM lead_mining.credit_account WHERE name = NEW.owner AND provider_conn_id IS NOT NULL) THEN
        RAISE EXCEPTION 'account "%" is local: its credits are spent on leads alone', NEW.owner USING ERRCODE = 'check_violation';
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
    IF NEW.kind IN ('hold', 'charge', 'release') THEN
        PERFORM lead_mining.ledger_count_use(NEW);
    END IF;
    RETURN NULL;
END $$;

-- The lock of an account, for who may not update it. Its available credits; null: there is no such account.
CREATE FUNCTION lead_mining.ledger_lock(account text) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT balance FROM lead_mining.ledger_account WHERE owner = account AND bucket = 'available' FOR UPDATE
$$;

CREATE TRIGGER never_removed BEFORE DELETE OR TRUNCATE ON lead_mining.monthly_use
    FOR EACH STATEMENT EXECUTE FUNCTION lead_mining.ledger_refuse();
CREATE TRIGGER posted_only BEFORE INSERT OR UPDATE ON lead_mining.monthly_use
    FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION lead_mining.ledger_refuse();

-- One line a transaction, oldest first by id: what a bank would print. `change` and `available` are the account's.
CREATE VIEW lead_mining.account_statement AS
SELECT t.id, t.created_at AS at, t.owner AS account, t.kind, t.credits,
       CASE WHEN t.kind IN ('top_up', 'release', 'refund') THEN t.credits WHEN t.kind IN ('hold', 'charge') THEN -t.credits ELSE 0 END AS change,
       sum(CASE WHEN t.kind IN ('top_up', 'release', 'refund') THEN t.credits WHEN t.kind IN ('hold', 'charge') THEN -t.credits ELSE 0 END)
           OVER (PARTITION BY t.owner ORDER BY t.id) AS available,
       sum(CASE t.kind WHEN 'capture' THEN t.credits WHEN 'charge' THEN t.credits WHEN 'refund' THEN -t.credits ELSE 0 END)
           OVER (PARTITION BY t.owner ORDER BY t.id) AS spent,
       coalesce(t.hold_id, CASE t.kind WHEN 'hold' THEN t.id END) AS hold,
       r.request_number, t.reference
FROM lead_mining.ledger_transaction t
LEFT JOIN lead_mining.hold h ON h.id = coalesce(t.hold_id, t.id)
LEFT JOIN lead_mining.candidate c ON c.id = t.candidate_id
LEFT JOIN lead_mining.run r ON r.id = coalesce(h.run_id, c.run_id);

ALTER FUNCTION lead_mining.ledger_balanced() SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION lead_mining.ledger_refuse() SET search_path = pg_catalog, pg_temp;
$migration$);

CALL pg_temp.apply_migration(4, '0004_matching.sql', $migration$
-- What the CRM knows, in the form that candidates are compared in, so that millions of leads take seconds. It can be made
-- anew at any time: nothing is lost with it.

CREATE TABLE lead_mining.known_company (
    model             text NOT NULL CHECK (model IN ('crm.lead', 'res.partner')),
    record_id         integer NOT NULL,
    digest            bigint NOT NULL,                 -- of what it was made from: another digest, another row
    name              text NOT NULL,                   -- of a company, as words: `acme gmbh`
    reveal_id         bigint,                          -- hashes, as these are compared and never read: nobody's address
    domain            bigint,
    email             bigint,
    phone             bigint,
    city              bigint,
    zip               bigint,
    block_1           bigint,                          -- of the country and each of the name's blocks: only names that
    block_2           bigint,                          -- share one are compared
    PRIMARY KEY (model, record_id)
);
CREATE INDEX known_company_by_reveal_id ON lead_mining.known_company (reveal_id) WHERE reveal_id IS NOT NULL;
CREATE INDEX known_company_by_domain ON lead_mining.known_company (domain) WHERE domain IS NOT NULL;
CREATE INDEX known_company_by_email ON lead_mining.known_company (email) WHERE email IS NOT NULL;
CREATE INDEX known_company_by_phone ON lead_mining.known_company (phone) WHERE phone IS NOT NULL;
-- With all that rules a pair out, so that the rows of most are never read.
CREATE INDEX known_company_by_block_1 ON lead_mining.known_company (block_1)
    INCLUDE (city, zip, domain, phone, model, record_id) WHERE block_1 IS NOT NULL;
CREATE INDEX known_company_by_block_2 ON lead_mining.known_company (block_2)
    INCLUDE (city, zip, domain, phone, model, record_id) WHERE block_2 IS NOT NULL;

-- Up to where it is in step with each of the CRM's tables. Whatever has written to one of their rows since, in whatever
-- way, is a transaction that had not ended then: its id, the row's xmin, is `horizon` at least.
CREATE TABLE lead_mining.known_company_state (
    model             text PRIMARY KEY CHECK (model IN ('crm.lead', 'res.partner')),
    version           integer NOT NULL,                -- of how records are normalised
    horizon           bigint NOT NULL,
    written_by        bigint NOT NULL DEFAULT txid_current()  -- not this row's xmin: it was restored from a dump
);
$migration$);

CALL pg_temp.apply_migration(5, '0005_suppression.sql', $migration$
-- Who and what is never to be loaded. People, addresses and numbers stand in it as digests alone: it holds nobody's data.

CREATE TABLE lead_mining.suppression (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind              text NOT NULL CHECK (kind IN ('email', 'phone', 'person', 'domain', 'country')),
    digest            text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),    -- sha256 of `kind:value`, the value normalised
    value             text,                            -- in the clear where it is nobody's
    reason            text NOT NULL CHECK (length(reason) BETWEEN 1 AND 200),
    source            text NOT NULL CHECK (length(source) BETWEEN 1 AND 200),  -- who or what put it there
    added_at          timestamptz NOT NULL DEFAULT now(),
    UNIQUE (kind, digest),
    CHECK ((value IS NOT NULL) = (kind IN ('domain', 'country')))
);
$migration$);

CALL pg_temp.apply_migration(6, '0006_provenance_and_erasure.sql', $migration$
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
$migration$);

CALL pg_temp.apply_migration(7, '0007_retries.sql', $migration$
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
$migration$);

CALL pg_temp.apply_migration(8, '0008_quality_results.sql', $migration$
-- What the quality suites found in each run, kept for as long as the run: counts, no values, nobody's data.

CREATE TABLE lead_mining.quality_suite_result (
    run_id            bigint NOT NULL REFERENCES lead_mining.run,
    suite             text NOT NULL CHECK (suite IN ('company', 'contact', 'lead')),
    version           text NOT NULL CHECK (length(version) BETWEEN 1 AND 50),  -- of the suite's rules: 1, or 1+3fa9c2 with own ones
    checked           integer NOT NULL CHECK (checked > 0),                -- rows
    passed            integer NOT NULL CHECK (passed BETWEEN 0 AND checked),  -- turned down by none of its rules
    PRIMARY KEY (run_id, suite)
);

CREATE TABLE lead_mining.quality_rule_result (
    run_id            bigint NOT NULL,
    suite             text NOT NULL,
    rule              text NOT NULL,
    severity          text NOT NULL CHECK (severity IN ('reject', 'warn')),
    checked           integer NOT NULL CHECK (checked >= 0),               -- rows that the rule is about
    failed            integer NOT NULL CHECK (failed BETWEEN 0 AND checked),
    PRIMARY KEY (run_id, suite, rule),
    FOREIGN KEY (run_id, suite) REFERENCES lead_mining.quality_suite_result
);

-- A line a run and suite. Without rejections that were tried again: these had been chosen because they failed.
CREATE VIEW lead_mining.quality_over_time AS
SELECT r.id AS run_id, r.run_key, r.request_number, r.provider, r.saved_search, s.finished_at AS checked_at,
       q.suite, q.version, q.checked, q.passed, q.passed::double precision / q.checked AS pass_rate
FROM lead_mining.quality_suite_result q
JOIN lead_mining.run r ON r.id = q.run_id AND r.retry_of IS NULL
JOIN lead_mining.run_step s ON s.run_id = r.id AND s.step = 'validate';
$migration$);

CALL pg_temp.apply_migration(9, '0009_pages.sql', $migration$
-- What the pages in the Airflow UI look requests and leads up by: a page at a time, whatever there is beside it.

CREATE INDEX run_by_saved_search ON lead_mining.run (saved_search, id) WHERE saved_search IS NOT NULL;
CREATE INDEX run_by_number ON lead_mining.run (request_number, id) WHERE request_number IS NOT NULL;
CREATE INDEX run_by_retry_of ON lead_mining.run (retry_of) WHERE retry_of IS NOT NULL;
CREATE INDEX candidate_loaded ON lead_mining.candidate (run_id, position) WHERE state = 'loaded';
CREATE INDEX run_step_validated ON lead_mining.run_step (finished_at) WHERE step = 'validate';
$migration$);

CALL pg_temp.apply_migration(10, '0010_statement.sql', $migration$
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
$migration$);

CALL pg_temp.apply_migration(11, '0011_near_companies.sql', $migration$
-- Companies are looked up by a block of their name and what may make two of them one, so that those that share the block
-- alone are never read. What has a domain is no other domain's: such pairs are told apart by whether there is one.

DROP INDEX lead_mining.known_company_by_block_1, lead_mining.known_company_by_block_2;
CREATE INDEX known_company_by_block_1_city ON lead_mining.known_company (block_1, (domain IS NULL), city)
    WHERE block_1 IS NOT NULL;
CREATE INDEX known_company_by_block_1_zip ON lead_mining.known_company (block_1, (domain IS NULL), zip)
    WHERE block_1 IS NOT NULL;
CREATE INDEX known_company_by_block_2_city ON lead_mining.known_company (block_2, (domain IS NULL), city)
    WHERE block_2 IS NOT NULL;
CREATE INDEX known_company_by_block_2_zip ON lead_mining.known_company (block_2, (domain IS NULL), zip)
    WHERE block_2 IS NOT NULL;
$migration$);

CALL pg_temp.apply_migration(12, '0012_calls_at_once.sql', $migration$
-- Several paid calls of a run may be under way at once, each in a slot of its own; one at a time always takes the first.
ALTER TABLE lead_mining.provider_call ADD COLUMN slot smallint NOT NULL DEFAULT 1 CHECK (slot BETWEEN 1 AND 8);
DROP INDEX lead_mining.provider_call_one_unsettled_a_run;
CREATE UNIQUE INDEX provider_call_one_unsettled_a_run_and_slot ON lead_mining.provider_call (run_id, slot)
    WHERE state IN ('open', 'unknown');

-- Whether a company was bought before is looked up for those of a page; all that was bought is never read. Hashes, as an
-- index holds no text of any length, and many companies may have one domain.
CREATE INDEX candidate_by_reveal_id ON lead_mining.candidate (hashtextextended(company->>'reveal_id', 0))
    WHERE company->>'reveal_id' IS NOT NULL;
CREATE INDEX candidate_by_domain ON lead_mining.candidate (hashtextextended(lower(company->>'domain'), 0))
    WHERE company->>'domain' IS NOT NULL;
$migration$);

CALL pg_temp.apply_migration(13, '0013_cheap_states.sql', $migration$
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
$migration$);

CALL pg_temp.apply_migration(14, '0014_provider_limits.sql', $migration$
-- How often an account at a provider may be called, and whether it is called at all: shared by all workers and runs.
CREATE TABLE lead_mining.provider_gate (
    provider          text NOT NULL,                       -- connection id
    bucket            text NOT NULL,                       -- calls that are counted together; '': the whole account
    blocked_until     timestamptz,                         -- the provider said so
    failures          integer NOT NULL DEFAULT 0 CHECK (failures >= 0),  -- in a row
    open_until        timestamptz,                         -- it fails: no call before, then one, which moves this on
    PRIMARY KEY (provider, bucket)
);

-- Calls made, or promised for a moment to come.
CREATE TABLE lead_mining.provider_slot (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider          text NOT NULL,
    bucket            text NOT NULL,
    at                timestamptz NOT NULL,
    FOREIGN KEY (provider, bucket) REFERENCES lead_mining.provider_gate
);
CREATE INDEX provider_slot_by_bucket ON lead_mining.provider_slot (provider, bucket, at DESC);
$migration$);

CALL pg_temp.apply_migration(15, '0015_several_providers.sql', $migration$
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
$migration$);

CALL pg_temp.apply_migration(16, '0016_kept_answers.sql', $migration$
-- What a provider answered to a paid call, from when it came until its page is stored; for longer where it cannot be
-- read. Alone: no foreign key, so that a lock on another table keeps no answer out.
CREATE TABLE lead_mining.provider_answer (
    call_id           bigint PRIMARY KEY,                  -- of lead_mining.provider_call
    run_id            bigint NOT NULL,
    first_position    integer NOT NULL,                    -- of the companies that it was asked for
    contacts_through  integer,                             -- as raw_page has it
    answer            jsonb NOT NULL,                      -- the page as the provider gave it, by field
    kept_at           timestamptz NOT NULL DEFAULT clock_timestamp()
);
$migration$);

CALL pg_temp.apply_migration(17, '0017_doubted_charges.sql', $migration$
-- What is not right about what a provider charged: a person looks at it, and nothing more is bought for its run.
CREATE TABLE lead_mining.charge_doubt (
    run_id            bigint NOT NULL REFERENCES lead_mining.run,
    page_number       integer NOT NULL,                    -- of the call that was answered last
    kind              text NOT NULL CHECK (kind IN (
                          'most',       -- more was charged than the call could cost
                          'balance')),  -- the provider's balance fell by more than it said that it charged
    expected          bigint NOT NULL,  -- credits
    found             bigint NOT NULL,
    noticed_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, page_number, kind)
);
CREATE INDEX provider_call_by_end ON lead_mining.provider_call (provider, pending_until);
CREATE INDEX charge_doubt_by_time ON lead_mining.charge_doubt (noticed_at);
$migration$);

CALL pg_temp.apply_migration(18, '0018_prices.sql', $migration$
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
$migration$);

CALL pg_temp.apply_migration(19, '0019_installation.sql', $migration$
-- Which CRM the schema was set up for: a copy of it (Odoo's Duplicate, a restored zip) has another database.uuid, and
-- takes this row along. Written by who sets up (role.sql, or the embedded CRM's owner) and by adopt.sql, else by nobody.
CREATE TABLE lead_mining.installation (
    only_one          boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    database_uuid     text CHECK (length(database_uuid) BETWEEN 1 AND 200),  -- null: an embedded CRM of before it had one
    set_up_at         timestamptz NOT NULL DEFAULT now(),
    adopted_at        timestamptz
);
DO $$
BEGIN
    IF has_table_privilege(to_regclass('public.ir_config_parameter'), 'SELECT') THEN
        INSERT INTO lead_mining.installation (database_uuid)
        SELECT (SELECT value FROM public.ir_config_parameter WHERE key = 'database.uuid');
    END IF;
END $$;
$migration$);

CALL pg_temp.apply_migration(21, '0021_chatter_guard.sql', $migration$
-- A message, a mail or a follower can belong to any record of Odoo's, and a message's HTML is shown as it is. So who
-- mines adds them to leads of lead mining alone, and who erases changes those of leads alone; all others pass.
-- A lead whose request was deleted in the CRM is loaded without a link to it: then the candidate says that it is ours.
-- role.sql makes the triggers on Odoo's tables that call this once for each statement.
CREATE FUNCTION lead_mining.guard_chatter() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    elsewhere boolean;
    loading bigint := txid_current() % 4294967296; -- leads of this transaction are being loaded, by who may write them
BEGIN
    IF pg_has_role(to_regrole('lead_mining'), 'MEMBER') IS NOT TRUE -- in a copy there may be no such role
       OR pg_has_role((SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'MEMBER') THEN
        RETURN NULL;
    END IF;
    IF TG_TABLE_NAME = 'mail_message' THEN
        elsewhere := EXISTS (
            SELECT FROM new_rows WHERE model IS DISTINCT FROM 'crm.lead' OR TG_OP = 'INSERT' AND NOT EXISTS (
                SELECT FROM public.crm_lead l WHERE l.id = new_rows.res_id AND (l.xmin::text::bigint = loading
                OR EXISTS (SELECT FROM lead_mining.run r WHERE r.crm_request_id = l.lead_mining_request_id)
                OR l.lead_mining_request_id IS NULL AND EXISTS (SELECT FROM lead_mining.candidate c WHERE c.lead_id = l.id))));
    ELSIF TG_TABLE_NAME = 'mail_followers' THEN
        elsewhere := EXISTS (
            SELECT FROM new_rows WHERE res_model IS DISTINCT FROM 'crm.lead' OR NOT EXISTS (
                SELECT FROM public.crm_lead l WHERE l.id = new_rows.res_id AND (l.xmin::text::bigint = loading
                OR EXISTS (SELECT FROM lead_mining.run r WHERE r.crm_request_id = l.lead_mining_request_id)
                OR l.lead_mining_request_id IS NULL AND EXISTS (SELECT FROM lead_mining.candidate c WHERE c.lead_id = l.id))));
    ELSE
        elsewhere := EXISTS (
            SELECT FROM new_rows WHERE NOT EXISTS (
                SELECT FROM public.mail_message m WHERE m.id = new_rows.mail_message_id AND m.model = 'crm.lead'
                AND (TG_OP = 'UPDATE' OR EXISTS (
                    SELECT FROM public.crm_lead l WHERE l.id = m.res_id AND (l.xmin::text::bigint = loading
                    OR EXISTS (SELECT FROM lead_mining.run r WHERE r.crm_request_id = l.lead_mining_request_id)
                    OR l.lead_mining_request_id IS NULL AND EXISTS (SELECT FROM lead_mining.candidate c WHERE c.lead_id = l.id))))));
    END IF;
    IF elsewhere THEN
        RAISE insufficient_privilege USING
            MESSAGE = format('%s may write into %s only what belongs to leads of lead mining', current_user, TG_TABLE_NAME);
    END IF;
    RETURN NULL;
END $$;
$migration$);

CALL pg_temp.apply_migration(22, '0022_who_asked.sql', $migration$
-- Who asked for a run: the log-in at Airflow; null where nobody triggered it, or an older version prepared it.
ALTER TABLE lead_mining.run ADD COLUMN asked_by text;
$migration$);

CALL pg_temp.apply_migration(24, '0024_time_of_requests.sql', $migration$
-- When a run's request was made in the CRM. A module that is installed anew begins its ids and numbers again: a row
-- there is the run's own only if all three agree. A run and its request are made in one transaction, so at one time.
ALTER TABLE lead_mining.run ADD COLUMN crm_request_made_at timestamp;
WITH RECURSIVE made AS (
    SELECT id, created_at FROM lead_mining.run WHERE retry_of IS NULL
    UNION ALL
    SELECT again.id, made.created_at FROM lead_mining.run again JOIN made ON again.retry_of = made.id
)
UPDATE lead_mining.run SET crm_request_made_at = made.created_at AT TIME ZONE 'utc'
FROM made WHERE made.id = run.id AND run.crm_request_id IS NOT NULL;
$migration$);

CALL pg_temp.apply_migration(26, '0026_bound_ledger.sql', $migration$
-- What was paid for stays as it is, and credits move on the account of the run that they are for. Conditions stand in the
-- triggers' WHEN, so that they cost next to nothing where they do not hold. A person's data can still be erased.

CREATE FUNCTION lead_mining.refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '%.% % is settled, and stays as it is', TG_TABLE_SCHEMA, TG_TABLE_NAME, OLD.id
        USING ERRCODE = 'insufficient_privilege', DETAIL = format('Refused by the trigger %s.', TG_NAME);
END $$;

CREATE TRIGGER loaded_stays BEFORE UPDATE ON lead_mining.candidate FOR EACH ROW
    WHEN (OLD.lead_id IS NOT NULL AND
          (NEW.run_id, NEW.position, NEW.page_number, NEW.state, NEW.contacts, NEW.lead_id, NEW.retry_of) IS DISTINCT FROM
          (OLD.run_id, OLD.position, OLD.page_number, OLD.state, OLD.contacts, OLD.lead_id, OLD.retry_of)
          OR OLD.note_message_id <> NEW.note_message_id OR OLD.note_message_id IS NOT NULL AND NEW.note_message_id IS NULL)
    EXECUTE FUNCTION lead_mining.refuse_change();
CREATE TRIGGER loaded_company_stays BEFORE UPDATE OF company ON lead_mining.candidate FOR EACH ROW
    WHEN (OLD.lead_id IS NOT NULL AND
          (NEW.company->'reveal_id', jsonb_array_length(NEW.company->'contacts')) IS DISTINCT FROM
          (OLD.company->'reveal_id', jsonb_array_length(OLD.company->'contacts')))
    EXECUTE FUNCTION lead_mining.refuse_change();

-- With the rights of who loads: that a lead is in the CRM is seen by them.
CREATE FUNCTION lead_mining.check_loaded() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF to_regclass('public.crm_lead') IS NOT NULL THEN  -- else the CRM is another database
        PERFORM FROM public.crm_lead l
        WHERE l.id = NEW.lead_id AND l.reveal_id IS NOT DISTINCT FROM NEW.company->>'reveal_id';
        IF NOT FOUND THEN
            RAISE EXCEPTION 'candidate % cannot be loaded as lead %: the CRM has no such lead of that company', NEW.id,
                NEW.lead_id USING ERRCODE = 'check_violation';
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER loaded_is_in_the_crm BEFORE UPDATE ON lead_mining.candidate FOR EACH ROW
    WHEN (OLD.lead_id IS NULL AND NEW.lead_id IS NOT NULL) EXECUTE FUNCTION lead_mining.check_loaded();

-- A call: what it was asked for never changes, and once it is settled, neither does what came of it.
CREATE TRIGGER settled_stays BEFORE UPDATE ON lead_mining.provider_call FOR EACH ROW
    WHEN (OLD.state NOT IN ('open', 'unknown') AND (NEW.state, NEW.charged) IS DISTINCT FROM (OLD.state, OLD.charged))
    EXECUTE FUNCTION lead_mining.refuse_change();
CREATE TRIGGER unknown_is_settled_by_somebody BEFORE UPDATE ON lead_mining.provider_call FOR EACH ROW
    WHEN (OLD.state = 'unknown' AND NEW.state = 'not_charged'
          AND (NEW.settled_by IS NULL OR NEW.settled_by = 'balance' AND OLD.balance_before IS NULL))
    EXECUTE FUNCTION lead_mining.refuse_change();

-- A run's limits stay once it is prepared.
CREATE FUNCTION lead_mining.check_plan() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM lead_mining.run_step WHERE run_id = OLD.id AND step = 'prepare_request') THEN
        RAISE EXCEPTION 'run % is prepared: its leads, its most and its approval stay as planned', OLD.id
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER plan_stays BEFORE UPDATE ON lead_mining.run FOR EACH ROW
    WHEN ((NEW.lead_number, NEW.max_cost, NEW.needs_approval) IS DISTINCT FROM
          (OLD.lead_number, OLD.max_cost, OLD.needs_approval))
    EXECUTE FUNCTION lead_mining.check_plan();

-- A hold is for a run, and on its account; so are captures and releases, which are on the account of their hold. Refunds
-- are looked at by ledger_check_refund.
CREATE FUNCTION lead_mining.ledger_bound() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    its_run bigint := NEW.run_id;
    account text;
BEGIN
    IF NEW.call_id IS NOT NULL THEN
        its_run := (SELECT run_id FROM lead_mining.provider_call WHERE id = NEW.call_id);
        IF NEW.kind = 'capture' AND its_run <> (SELECT run_id FROM lead_mining.hold WHERE id = NEW.hold_id) THEN
            RAISE EXCEPTION 'provider call % is not of the run that hold % is for', NEW.call_id, NEW.hold_id
                USING ERRCODE = 'check_violation';
        END IF;
    ELSIF its_run IS NULL THEN
        RAISE EXCEPTION 'a hold is for a run, and none is named' USING ERRCODE = 'check_violation';
    END IF;
    SELECT credit_account INTO account FROM lead_mining.run WHERE id = its_run;
    IF account <> NEW.owner THEN
        RAISE EXCEPTION 'run % pays from the account "%", not from "%"', its_run, account, NEW.owner
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER ledger_bound BEFORE INSERT ON lead_mining.ledger_transaction FOR EACH ROW
    WHEN (NEW.kind = 'hold' OR NEW.call_id IS NOT NULL) EXECUTE FUNCTION lead_mining.ledger_bound();

ALTER FUNCTION lead_mining.guard_chatter() SET search_path = pg_catalog, pg_temp;
$migration$);

CALL pg_temp.apply_migration(27, '0027_keeping_accounts.sql', $migration$
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
$migration$);

CALL pg_temp.keep_guard('ledger_transaction', 'ledger_post', $guard$
CREATE TRIGGER ledger_post AFTER INSERT ON lead_mining.ledger_transaction
    FOR EACH ROW EXECUTE FUNCTION lead_mining.ledger_post();
$guard$);

CALL pg_temp.keep_guard('ledger_transaction', 'ledger_balanced', $guard$
CREATE CONSTRAINT TRIGGER ledger_balanced AFTER INSERT ON lead_mining.ledger_transaction DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION lead_mining.ledger_balanced();
$guard$);

CALL pg_temp.keep_guard('ledger_entry', 'ledger_balanced', $guard$
CREATE CONSTRAINT TRIGGER ledger_balanced AFTER INSERT ON lead_mining.ledger_entry DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION lead_mining.ledger_balanced();
$guard$);

CALL pg_temp.keep_guard('ledger_transaction', 'append_only', $guard$
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON lead_mining.ledger_transaction
    FOR EACH STATEMENT EXECUTE FUNCTION lead_mining.ledger_refuse();
$guard$);

CALL pg_temp.keep_guard('ledger_entry', 'append_only', $guard$
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON lead_mining.ledger_entry
    FOR EACH STATEMENT EXECUTE FUNCTION lead_mining.ledger_refuse();
$guard$);

CALL pg_temp.keep_guard('ledger_account', 'never_removed', $guard$
CREATE TRIGGER never_removed BEFORE DELETE OR TRUNCATE ON lead_mining.ledger_account
    FOR EACH STATEMENT EXECUTE FUNCTION lead_mining.ledger_refuse();
$guard$);

CALL pg_temp.keep_guard('hold', 'never_removed', $guard$
CREATE TRIGGER never_removed BEFORE DELETE OR TRUNCATE ON lead_mining.hold
    FOR EACH STATEMENT EXECUTE FUNCTION lead_mining.ledger_refuse();
$guard$);

CALL pg_temp.keep_guard('ledger_entry', 'posted_only', $guard$
CREATE TRIGGER posted_only BEFORE INSERT ON lead_mining.ledger_entry
    FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION lead_mining.ledger_refuse();
$guard$);

CALL pg_temp.keep_guard('ledger_account', 'posted_only', $guard$
CREATE TRIGGER posted_only BEFORE INSERT OR UPDATE ON lead_mining.ledger_account
    FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION lead_mining.ledger_refuse();
$guard$);

CALL pg_temp.keep_guard('hold', 'posted_only', $guard$
CREATE TRIGGER posted_only BEFORE INSERT OR UPDATE ON lead_mining.hold
    FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION lead_mining.ledger_refuse();
$guard$);

CALL pg_temp.keep_guard('monthly_use', 'never_removed', $guard$
CREATE TRIGGER never_removed BEFORE DELETE OR TRUNCATE ON lead_mining.monthly_use
    FOR EACH STATEMENT EXECUTE FUNCTION lead_mining.ledger_refuse();
$guard$);

CALL pg_temp.keep_guard('monthly_use', 'posted_only', $guard$
CREATE TRIGGER posted_only BEFORE INSERT OR UPDATE ON lead_mining.monthly_use
    FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION lead_mining.ledger_refuse();
$guard$);

CALL pg_temp.keep_guard('erasure', 'append_only', $guard$
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON lead_mining.erasure
    FOR EACH STATEMENT EXECUTE FUNCTION lead_mining.erasure_refuse();
$guard$);

CALL pg_temp.keep_guard('candidate', 'loaded_stays', $guard$
CREATE TRIGGER loaded_stays BEFORE UPDATE ON lead_mining.candidate FOR EACH ROW
    WHEN (OLD.lead_id IS NOT NULL AND
          (NEW.run_id, NEW.position, NEW.page_number, NEW.state, NEW.contacts, NEW.lead_id, NEW.retry_of) IS DISTINCT FROM
          (OLD.run_id, OLD.position, OLD.page_number, OLD.state, OLD.contacts, OLD.lead_id, OLD.retry_of)
          OR OLD.note_message_id <> NEW.note_message_id OR OLD.note_message_id IS NOT NULL AND NEW.note_message_id IS NULL)
    EXECUTE FUNCTION lead_mining.refuse_change();
$guard$);

CALL pg_temp.keep_guard('candidate', 'loaded_company_stays', $guard$
CREATE TRIGGER loaded_company_stays BEFORE UPDATE OF company ON lead_mining.candidate FOR EACH ROW
    WHEN (OLD.lead_id IS NOT NULL AND
          (NEW.company->'reveal_id', jsonb_array_length(NEW.company->'contacts')) IS DISTINCT FROM
          (OLD.company->'reveal_id', jsonb_array_length(OLD.company->'contacts')))
    EXECUTE FUNCTION lead_mining.refuse_change();
$guard$);

CALL pg_temp.keep_guard('candidate', 'loaded_is_in_the_crm', $guard$
CREATE TRIGGER loaded_is_in_the_crm BEFORE UPDATE ON lead_mining.candidate FOR EACH ROW
    WHEN (OLD.lead_id IS NULL AND NEW.lead_id IS NOT NULL) EXECUTE FUNCTION lead_mining.check_loaded();
$guard$);

CALL pg_temp.keep_guard('provider_call', 'settled_stays', $guard$
CREATE TRIGGER settled_stays BEFORE UPDATE ON lead_mining.provider_call FOR EACH ROW
    WHEN (OLD.state NOT IN ('open', 'unknown') AND (NEW.state, NEW.charged) IS DISTINCT FROM (OLD.state, OLD.charged))
    EXECUTE FUNCTION lead_mining.refuse_change();
$guard$);

CALL pg_temp.keep_guard('provider_call', 'unknown_is_settled_by_somebody', $guard$
CREATE TRIGGER unknown_is_settled_by_somebody BEFORE UPDATE ON lead_mining.provider_call FOR EACH ROW
    WHEN (OLD.state = 'unknown' AND NEW.state = 'not_charged'
          AND (NEW.settled_by IS NULL OR NEW.settled_by = 'balance' AND OLD.balance_before IS NULL))
    EXECUTE FUNCTION lead_mining.refuse_change();
$guard$);

CALL pg_temp.keep_guard('run', 'plan_stays', $guard$
CREATE TRIGGER plan_stays BEFORE UPDATE ON lead_mining.run FOR EACH ROW
    WHEN ((NEW.lead_number, NEW.max_cost, NEW.needs_approval) IS DISTINCT FROM
          (OLD.lead_number, OLD.max_cost, OLD.needs_approval))
    EXECUTE FUNCTION lead_mining.check_plan();
$guard$);

CALL pg_temp.keep_guard('ledger_transaction', 'ledger_bound', $guard$
CREATE TRIGGER ledger_bound BEFORE INSERT ON lead_mining.ledger_transaction FOR EACH ROW
    WHEN (NEW.kind = 'hold' OR NEW.call_id IS NOT NULL) EXECUTE FUNCTION lead_mining.ledger_bound();
$guard$);

CALL pg_temp.keep_guard('credit_account', 'keep_opening', $guard$
CREATE TRIGGER keep_opening AFTER INSERT ON lead_mining.credit_account
    FOR EACH ROW EXECUTE FUNCTION lead_mining.keep_account_change();
$guard$);

CALL pg_temp.keep_guard('credit_account', 'keep_change', $guard$
CREATE TRIGGER keep_change AFTER UPDATE ON lead_mining.credit_account FOR EACH ROW
    WHEN ((NEW.provider_conn_id, NEW.monthly_budget, NEW.low_balance, NEW.refund_days) IS DISTINCT FROM
          (OLD.provider_conn_id, OLD.monthly_budget, OLD.low_balance, OLD.refund_days))
    EXECUTE FUNCTION lead_mining.keep_account_change();
$guard$);

CALL pg_temp.keep_guard('credit_account_change', 'append_only', $guard$
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON lead_mining.credit_account_change
    FOR EACH STATEMENT EXECUTE FUNCTION lead_mining.ledger_refuse();
$guard$);

CALL pg_temp.keep_guard('credit_account_change', 'posted_only', $guard$
CREATE TRIGGER posted_only BEFORE INSERT ON lead_mining.credit_account_change
    FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION lead_mining.ledger_refuse();
$guard$);

CALL pg_temp.keep_guard('run', 'date_approval', $guard$
CREATE TRIGGER date_approval BEFORE UPDATE OF approved_by ON lead_mining.run FOR EACH ROW
    WHEN (OLD.approved_by IS NULL AND NEW.approved_by IS NOT NULL) EXECUTE FUNCTION lead_mining.date_approval();
$guard$);

CALL pg_temp.keep_guard('provider_call', 'settled_by_who_may', $guard$
CREATE TRIGGER settled_by_who_may BEFORE UPDATE ON lead_mining.provider_call FOR EACH ROW
    WHEN (NEW.state <> OLD.state AND NEW.settled_by <> 'balance') EXECUTE FUNCTION lead_mining.check_settling();
$guard$);
