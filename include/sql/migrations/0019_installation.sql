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
