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
