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
