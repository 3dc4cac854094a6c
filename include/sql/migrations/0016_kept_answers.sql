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
