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
