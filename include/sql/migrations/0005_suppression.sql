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
