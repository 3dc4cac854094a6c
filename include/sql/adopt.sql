-- For a CRM that was moved: from now on lead mining belongs to this database. Not for a copy whose original is still
-- mined into, as both would buy with one account at the provider. A superuser runs this, after role.sql:
--     psql -d odoo -f adopt.sql

\set ON_ERROR_STOP on
BEGIN;
SET LOCAL search_path TO pg_catalog;
SELECT value AS uuid FROM public.ir_config_parameter WHERE key = 'database.uuid' \gset
SELECT nspowner::regrole AS owner FROM pg_namespace WHERE nspname = 'lead_mining' \gset
SET LOCAL ROLE :owner; -- nothing that stands in the schema runs as a superuser
UPDATE lead_mining.installation SET database_uuid = :'uuid', adopted_at = now();
COMMIT;
