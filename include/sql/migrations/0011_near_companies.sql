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
