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
