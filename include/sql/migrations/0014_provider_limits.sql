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
