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
