-- Four roles. `lead_mining` mines: it has the least that this needs in an Odoo 17's database, and no more. It can read
-- what it compares with, add leads with what belongs to them, and change its own requests; it cannot read passwords,
-- keys or system parameters, and it cannot delete anything. `lead_mining_owner`, whom nobody logs in as, owns the schema
-- lead_mining with our own tables: so who mines can add to the credit ledger, and neither change nor unguard it.
-- `lead_mining_privacy` can do what lead_mining can and, for erasing persons, empty the columns that persons stand in.
-- `lead_mining_credits` can do what lead_mining can and keep accounts: payments, refunds, settings, approvals.
--
-- A superuser runs this in the CRM's database, once and again after each upgrade of lead mining or of Odoo's apps:
--     psql -d odoo -f role.sql
--     psql -d odoo -c '\password lead_mining'
-- and the Airflow connection lead_mining_crm is postgresql://lead_mining:PASSWORD@HOST:5432/odoo
-- The same for lead_mining_credits, without which credits are but spent: its connection is lead_mining_credits.
-- The same for lead_mining_privacy, if persons are to be erased: its connection is lead_mining_privacy.
-- The migrations of our tables are in role_migrations.sql, beside this file.
--
-- All in one transaction; run again, it takes back what is no longer needed. Who began with another role, or with
-- lead_mining as the owner, keeps all that is in the schema. PostgreSQL before 15 lets every role create tables in the
-- schema public; to close that: REVOKE CREATE ON SCHEMA public FROM PUBLIC;

\set ON_ERROR_STOP on
BEGIN;
SET LOCAL search_path TO pg_catalog; -- no function or operator that somebody else made
SET LOCAL client_min_messages TO warning;

DO $$
DECLARE
    who text;
BEGIN
    PERFORM pg_advisory_xact_lock(1818583405); -- that of migrations.py
    IF to_regrole('lead_mining_owner') IS NULL THEN
        CREATE ROLE lead_mining_owner NOLOGIN;
    END IF;
    IF to_regrole('lead_mining') IS NULL THEN
        CREATE ROLE lead_mining LOGIN;
    END IF;
    IF to_regrole('lead_mining_privacy') IS NULL THEN
        CREATE ROLE lead_mining_privacy LOGIN;
    END IF;
    IF to_regrole('lead_mining_credits') IS NULL THEN
        CREATE ROLE lead_mining_credits LOGIN;
    END IF;
    FOREACH who IN ARRAY ARRAY['lead_mining', 'lead_mining_privacy', 'lead_mining_credits'] LOOP
        IF pg_has_role(who, 'lead_mining_owner', 'MEMBER')
           OR (SELECT rolcreaterole FROM pg_roles WHERE rolname = who) THEN
            RAISE EXCEPTION 'the role % could become lead_mining_owner, and change the credit ledger', who
                USING HINT = 'It is a superuser, may create roles, or is a member: take that from it, and run this again.';
        END IF;
        IF who <> 'lead_mining_credits' AND pg_has_role(who, 'lead_mining_credits', 'MEMBER') THEN
            RAISE EXCEPTION 'the role % could become lead_mining_credits, and book payments', who
                USING HINT = 'Take the membership from it, and run this again.';
        END IF;
    END LOOP;
    EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO lead_mining', current_database());
    GRANT lead_mining TO lead_mining_privacy, lead_mining_credits;
END $$;

-- Our own schema: all that stands in it becomes lead_mining_owner's.
CREATE SCHEMA IF NOT EXISTS lead_mining;
ALTER SCHEMA lead_mining OWNER TO lead_mining_owner;
CREATE TABLE IF NOT EXISTS lead_mining.migration
    (number integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());
DO $$
DECLARE
    ours regclass;
    routine regprocedure;
    detail text;
BEGIN
    BEGIN
        DROP VIEW IF EXISTS lead_mining.crm_setting; -- made anew below
    EXCEPTION WHEN wrong_object_type OR dependent_objects_still_exist THEN
        GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
        RAISE EXCEPTION 'lead_mining.crm_setting is not as role.sql made it: %', SQLERRM
            USING DETAIL = detail, HINT = 'Look at what stands there, drop it, and run this again.';
    END;
    FOR ours IN
        SELECT oid FROM pg_class
        WHERE relnamespace = 'lead_mining'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')
          AND relowner <> 'lead_mining_owner'::regrole
    LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO lead_mining_owner', ours);
    END LOOP;
    -- Another SECURITY DEFINER routine than ours is somebody else's, and is not to run as the owner.
    FOR routine IN
        SELECT oid FROM pg_proc
        WHERE pronamespace = 'lead_mining'::regnamespace AND proowner <> 'lead_mining_owner'::regrole
          AND (NOT prosecdef OR oid IN (to_regprocedure('lead_mining.ledger_post()'),
                                        to_regprocedure('lead_mining.ledger_lock(text)'),
                                        to_regprocedure('lead_mining.keep_account_change()')))
    LOOP
        EXECUTE format('ALTER ROUTINE %s OWNER TO lead_mining_owner', routine);
    END LOOP;
END $$;

-- The migrations run with the owner's rights. SECURITY DEFINER, as from a function there is no way back to the
-- superuser: who owned the schema before may have left triggers or defaults that want to go there.
CREATE PROCEDURE pg_temp.apply_migration(new_number integer, new_name text, migration text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM lead_mining.migration WHERE number = new_number) THEN
        EXECUTE migration;
        INSERT INTO lead_mining.migration (number, name) VALUES (new_number, new_name);
        SET CONSTRAINTS ALL IMMEDIATE; -- nothing is left to run at commit, when the rights are the superuser's again
        RAISE INFO 'applied %', new_name;
    END IF;
END $$;
ALTER PROCEDURE pg_temp.apply_migration OWNER TO lead_mining_owner;
CREATE PROCEDURE pg_temp.keep_guard(table_name text, guard text, statement text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    ours regclass := format('lead_mining.%I', table_name);
    enabled "char" := (SELECT tgenabled FROM pg_trigger WHERE tgrelid = ours AND tgname = guard);
BEGIN
    IF enabled IS NULL THEN
        EXECUTE statement;
    ELSIF enabled <> 'O' THEN
        EXECUTE format('ALTER TABLE %s ENABLE TRIGGER %I', ours, guard);
    END IF;
END $$;
ALTER PROCEDURE pg_temp.keep_guard OWNER TO lead_mining_owner;
\ir role_migrations.sql
DROP PROCEDURE pg_temp.apply_migration;
DROP PROCEDURE pg_temp.keep_guard;

-- System parameters may be secrets: of them, these alone. The barrier keeps functions of the role's from the others.
CREATE VIEW lead_mining.crm_setting WITH (security_barrier) AS
SELECT key, value FROM public.ir_config_parameter
WHERE key IN ('crm.iap.lead.enrich.setting', 'crm.pls_fields', 'database.uuid', 'database.is_neutralized',
              'web.base.url');

-- Which CRM this is, where that was not kept before; with the owner's rights, as above. See adopt.sql.
CREATE PROCEDURE pg_temp.set_up_for(uuid text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO lead_mining.installation (database_uuid) VALUES (uuid) ON CONFLICT DO NOTHING;
    SET CONSTRAINTS ALL IMMEDIATE;
END $$;
ALTER PROCEDURE pg_temp.set_up_for OWNER TO lead_mining_owner;
DO $$
DECLARE
    uuid text := (SELECT value FROM public.ir_config_parameter WHERE key = 'database.uuid');
BEGIN
    CALL pg_temp.set_up_for(uuid);
END $$;
DROP PROCEDURE pg_temp.set_up_for;

-- The database's owner, as whom Odoo works and makes its backups, can read what is ours, now and after migrations.
REVOKE ALL ON SCHEMA lead_mining FROM PUBLIC, lead_mining, lead_mining_privacy, lead_mining_credits;
DO $$
DECLARE
    owner text := (SELECT quote_ident(rolname) FROM pg_database d JOIN pg_roles r ON r.oid = datdba
                   WHERE datname = current_database());
    kind text;
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA lead_mining TO %s', owner);
    FOREACH kind IN ARRAY ARRAY['TABLES', 'SEQUENCES'] LOOP
        EXECUTE format('GRANT SELECT ON ALL %s IN SCHEMA lead_mining TO %s', kind, owner);
        EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE lead_mining_owner IN SCHEMA lead_mining'
                       ' GRANT SELECT ON %s TO %s', kind, owner);
        EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE lead_mining IN SCHEMA lead_mining'
                       ' REVOKE SELECT ON %s FROM %s', kind, owner); -- of the time when it was the owner
    END LOOP;
END $$;

-- Who mines reads our tables, adds to them, and changes what is not settled yet. Ids and times are the database's, and
-- what follows from a transaction of the ledger is written by ledger_post, with its owner's rights.
REVOKE ALL ON ALL TABLES IN SCHEMA lead_mining FROM PUBLIC, lead_mining, lead_mining_privacy, lead_mining_credits;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA lead_mining FROM PUBLIC, lead_mining, lead_mining_privacy, lead_mining_credits;
REVOKE ALL ON ALL ROUTINES IN SCHEMA lead_mining FROM PUBLIC, lead_mining, lead_mining_privacy, lead_mining_credits;
GRANT USAGE ON SCHEMA lead_mining TO lead_mining;
GRANT SELECT ON ALL TABLES IN SCHEMA lead_mining TO lead_mining;
GRANT INSERT (run_key, request, context, provider, credit_account, dry_run, lead_number, max_cost, needs_approval,
    crm_request_id, request_number, crm_request_made_at, saved_search, search_budget, retry_of, overruled,
    lead_credits, contact_credits, asked_by) ON lead_mining.run TO lead_mining;
GRANT UPDATE (lead_number, max_cost, needs_approval, judged_as_of) ON lead_mining.run TO lead_mining;
GRANT INSERT (run_id, step, result) ON lead_mining.run_step TO lead_mining;
GRANT INSERT (run_id, page_number, asked, found, charged, next_cursor, body, provider, unfinished, contacts_through) ON
    lead_mining.raw_page TO lead_mining;
GRANT INSERT (candidate_id, field, page_number) ON lead_mining.value_source TO lead_mining;
GRANT INSERT (run_id, position, page_number, company, contacts, retry_of) ON lead_mining.candidate TO lead_mining;
GRANT UPDATE (state, company, contacts, lead_id, note_message_id) ON lead_mining.candidate TO lead_mining;
GRANT INSERT (candidate_id, kind, value), DELETE ON lead_mining.candidate_key TO lead_mining;
GRANT INSERT (kind, digest, value, reason, source), DELETE ON lead_mining.suppression TO lead_mining;
GRANT INSERT, UPDATE, DELETE ON lead_mining.known_company, lead_mining.known_company_state TO lead_mining;
GRANT INSERT (run_id, candidate_id, contact_index, step, rule, field, value, severity, duplicate_of, record) ON
    lead_mining.rejection TO lead_mining;
GRANT INSERT (run_id, suite, version, checked, passed) ON lead_mining.quality_suite_result TO lead_mining;
GRANT INSERT (run_id, suite, rule, severity, checked, failed) ON lead_mining.quality_rule_result TO lead_mining;
GRANT UPDATE (version, checked, passed) ON lead_mining.quality_suite_result TO lead_mining; -- parts of a run add up
GRANT UPDATE (checked, failed) ON lead_mining.quality_rule_result TO lead_mining;
GRANT INSERT (run_id, page_number, provider, asked, most, balance_before, pending_until, asked_at, slot) ON
    lead_mining.provider_call TO lead_mining;
GRANT UPDATE (state, charged, pending_until, error, settled_by, ended_at) ON lead_mining.provider_call TO lead_mining;
GRANT INSERT (call_id, run_id, first_position, contacts_through, answer), DELETE ON lead_mining.provider_answer TO
    lead_mining;
GRANT INSERT (run_id, page_number, kind, expected, found) ON lead_mining.charge_doubt TO lead_mining;
GRANT INSERT (provider, bucket), UPDATE (blocked_until, failures, open_until) ON lead_mining.provider_gate TO
    lead_mining;
GRANT INSERT (provider, bucket, at), DELETE ON lead_mining.provider_slot TO lead_mining;
GRANT UPDATE (notice_sent) ON lead_mining.credit_account TO lead_mining;
GRANT INSERT (account, reported, expected, unsettled_calls) ON lead_mining.balance_report TO lead_mining;
GRANT INSERT (key, kind, owner, credits, hold_id, run_id, call_id) ON lead_mining.ledger_transaction TO lead_mining;
GRANT EXECUTE ON FUNCTION lead_mining.ledger_lock(text) TO lead_mining;

-- Who keeps accounts. A transaction with a reference is a payment, a refund or a charge by hand.
GRANT INSERT (reference, candidate_id) ON lead_mining.ledger_transaction TO lead_mining_credits;
GRANT INSERT (name, provider_conn_id, monthly_budget, low_balance, refund_days, notify) ON lead_mining.credit_account TO
    lead_mining_credits;
GRANT UPDATE (provider_conn_id, monthly_budget, low_balance, refund_days, notify) ON lead_mining.credit_account TO
    lead_mining_credits;
GRANT UPDATE (approved_by) ON lead_mining.run TO lead_mining_credits;

-- Who erases: every column that a person may stand in, but for the ledger's, and the keys that persons are known by.
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN SELECT table_name, column_name FROM lead_mining.text_column WHERE changeable LOOP
        EXECUTE format('GRANT UPDATE (%I) ON lead_mining.%I TO lead_mining_privacy', found.column_name, found.table_name);
    END LOOP;
END $$;
GRANT UPDATE (removed_at) ON lead_mining.raw_page TO lead_mining_privacy;
GRANT DELETE ON lead_mining.candidate_key, lead_mining.provider_answer TO lead_mining_privacy;
GRANT INSERT (subject_kind, subject_digest, requested_by, reference, certificate) ON lead_mining.erasure TO
    lead_mining_privacy;

-- The CRM's tables, column by column.
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM lead_mining, lead_mining_privacy, lead_mining_credits;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM lead_mining, lead_mining_privacy, lead_mining_credits;
GRANT USAGE ON SCHEMA public TO lead_mining;
GRANT SELECT (name, state, latest_version) ON public.ir_module_module TO lead_mining;
GRANT SELECT (id, model) ON public.ir_model TO lead_mining;
GRANT SELECT (module, name, model, res_id) ON public.ir_model_data TO lead_mining;
GRANT SELECT (id, code, company_id, active, implementation, prefix, suffix, padding, use_date_range, number_next,
    number_increment) ON public.ir_sequence TO lead_mining;
GRANT SELECT (cron_id, create_date) ON public.ir_cron_trigger TO lead_mining;
GRANT INSERT (cron_id, call_at, create_uid, write_uid, create_date, write_date) ON public.ir_cron_trigger TO
    lead_mining;
GRANT SELECT (id, login, partner_id, company_id, active, share, notification_type) ON public.res_users TO lead_mining;
GRANT SELECT (id, name, email, country_id, active, partner_share, website, email_normalized, phone_sanitized, is_company,
    company_name, city, zip, xmin) ON public.res_partner TO lead_mining; -- xmin: which rows are new or changed
GRANT SELECT (id, name, partner_id, active, alias_domain_id) ON public.res_company TO lead_mining;
GRANT SELECT (cid, user_id) ON public.res_company_users_rel TO lead_mining;
GRANT SELECT (gid, uid) ON public.res_groups_users_rel TO lead_mining;
GRANT SELECT (id, code) ON public.res_country TO lead_mining;
GRANT SELECT (id, country_id, code) ON public.res_country_state TO lead_mining;
GRANT SELECT (alias_domain_id, alias_model_id, alias_parent_model_id, alias_parent_thread_id, alias_name,
    alias_full_name) ON public.mail_alias TO lead_mining;
GRANT SELECT (id, name, sequence, catchall_alias, bounce_alias) ON public.mail_alias_domain TO lead_mining;
GRANT SELECT (id, parent_id, res_model, relation_field, "default", internal) ON public.mail_message_subtype TO
    lead_mining;
GRANT SELECT (id, model, res_id, message_type, message_id) ON public.mail_message TO lead_mining;
GRANT INSERT (id, parent_id, res_id, record_alias_domain_id, record_company_id, subtype_id, author_id, subject, model,
    record_name, message_type, email_from, message_id, reply_to, email_layout_xmlid, body, is_internal,
    email_add_signature, date, create_uid, write_uid, create_date, write_date) ON public.mail_message TO lead_mining;
GRANT INSERT (mail_message_id, res_partner_id) ON public.mail_message_res_partner_rel TO lead_mining;
GRANT SELECT (id, res_model, res_id, partner_id) ON public.mail_followers TO lead_mining;
GRANT INSERT (res_model, res_id, partner_id) ON public.mail_followers TO lead_mining;
GRANT SELECT (mail_followers_id, mail_message_subtype_id) ON public.mail_followers_mail_message_subtype_rel TO
    lead_mining;
GRANT INSERT (mail_followers_id, mail_message_subtype_id) ON public.mail_followers_mail_message_subtype_rel TO
    lead_mining;
GRANT INSERT (author_id, mail_message_id, res_partner_id, mail_mail_id, notification_type, notification_status,
    is_read, read_date) ON public.mail_notification TO lead_mining;
GRANT INSERT (id, mail_message_id, state, is_notification, auto_delete, body_html, "references", headers, create_uid,
    write_uid, create_date, write_date) ON public.mail_mail TO lead_mining;
GRANT INSERT (mail_mail_id, res_partner_id) ON public.mail_mail_res_partner_rel TO lead_mining;
GRANT SELECT (id, name, company_id, user_id, active, sequence, create_date, use_leads, use_opportunities,
    lead_properties_definition) ON public.crm_team TO lead_mining;
GRANT SELECT (crm_team_id, user_id, active) ON public.crm_team_member TO lead_mining;
GRANT SELECT (id, sequence, team_id, fold, is_won) ON public.crm_stage TO lead_mining;
GRANT SELECT (id, team_id, variable, value, won_count, lost_count) ON public.crm_lead_scoring_frequency TO
    lead_mining;
GRANT SELECT (id, name) ON public.crm_tag TO lead_mining;
GRANT INSERT (name, color, create_uid, write_uid, create_date, write_date) ON public.crm_tag TO lead_mining;
GRANT SELECT (id, reveal_ids, name) ON public.crm_iap_lead_industry TO lead_mining;
GRANT SELECT (id, reveal_id) ON public.crm_iap_lead_role TO lead_mining;
GRANT SELECT (id, reveal_id) ON public.crm_iap_lead_seniority TO lead_mining;
GRANT SELECT (id, name, create_date, state, error_type) ON public.crm_iap_lead_mining_request TO lead_mining;
GRANT INSERT (name, state, search_type, lead_number, lead_type, team_id, user_id, filter_on_size, company_size_min,
    company_size_max, contact_number, contact_filter_type, preferred_role_id, seniority_id, create_uid, write_uid,
    create_date, write_date) ON public.crm_iap_lead_mining_request TO lead_mining;
GRANT UPDATE (state, error_type, write_uid, write_date) ON public.crm_iap_lead_mining_request TO lead_mining;
GRANT INSERT (crm_iap_lead_mining_request_id, crm_iap_lead_industry_id) ON
    public.crm_iap_lead_industry_crm_iap_lead_mining_request_rel TO lead_mining;
GRANT INSERT (crm_iap_lead_mining_request_id, crm_iap_lead_role_id) ON
    public.crm_iap_lead_mining_request_crm_iap_lead_role_rel TO lead_mining;
GRANT SELECT (crm_iap_lead_mining_request_id, crm_tag_id) ON public.crm_iap_lead_mining_request_crm_tag_rel TO
    lead_mining;
GRANT INSERT (crm_iap_lead_mining_request_id, crm_tag_id) ON public.crm_iap_lead_mining_request_crm_tag_rel TO
    lead_mining;
GRANT INSERT (crm_iap_lead_mining_request_id, res_country_id) ON public.crm_iap_lead_mining_request_res_country_rel TO
    lead_mining;
GRANT INSERT (crm_iap_lead_mining_request_id, res_country_state_id) ON
    public.crm_iap_lead_mining_request_res_country_state_rel TO lead_mining;
GRANT SELECT (id, name, reveal_id, email_normalized, phone_sanitized, website, partner_name, city, zip, country_id,
    active, probability, lead_mining_request_id, xmin) ON public.crm_lead TO lead_mining;
GRANT INSERT (id, name, type, user_id, team_id, company_id, stage_id, lead_mining_request_id, reveal_id, partner_name,
    contact_name, function, email_from, email_normalized, email_domain_criterion, email_state, phone, phone_sanitized,
    phone_state, website, street, city, zip, country_id, state_id, priority, color, active, message_bounce,
    probability, automated_probability, prorated_revenue, recurring_revenue_monthly,
    recurring_revenue_monthly_prorated, recurring_revenue_prorated, day_open, day_close, date_open,
    date_last_stage_update, create_uid, write_uid, create_date, write_date) ON public.crm_lead TO lead_mining;
GRANT INSERT (lead_id, tag_id) ON public.crm_tag_rel TO lead_mining;

-- A message, a mail or a follower can belong to any record of Odoo's: these guards are made by migration 0021.
DO $$
DECLARE
    guard record;
BEGIN
    FOR guard IN
        SELECT name, event, 'lead_mining_guard_' || lower(event) AS trigger FROM (VALUES
            ('mail_message', 'INSERT'), ('mail_message', 'UPDATE'), ('mail_mail', 'INSERT'), ('mail_mail', 'UPDATE'),
            ('mail_notification', 'INSERT'), ('mail_message_res_partner_rel', 'INSERT'), ('mail_followers', 'INSERT')
        ) AS guarded (name, event)
    LOOP
        IF NOT EXISTS (SELECT FROM pg_trigger
                       WHERE tgrelid = to_regclass('public.' || guard.name) AND tgname = guard.trigger) THEN
            EXECUTE format('CREATE TRIGGER %I AFTER %s ON public.%I REFERENCING NEW TABLE AS new_rows'
                           ' FOR EACH STATEMENT EXECUTE FUNCTION lead_mining.guard_chatter()',
                           guard.trigger, guard.event, guard.name);
        END IF;
    END LOOP;
END $$;

-- For erasing persons: read what they may stand in, and empty that in the leads and in their chatter.
GRANT SELECT (id, website, partner_id, contact_name, function, email_from, email_normalized, email_domain_criterion,
    email_state, phone, phone_state, phone_sanitized, mobile, email_cc, name, partner_name, description, referred) ON
    public.crm_lead TO lead_mining_privacy;
GRANT UPDATE (contact_name, function, email_from, email_normalized, email_domain_criterion, email_state, phone,
    phone_state, phone_sanitized, mobile, email_cc) ON public.crm_lead TO lead_mining_privacy;
GRANT SELECT (id, model, res_id, subject, email_from, body, record_name, reply_to) ON public.mail_message TO
    lead_mining_privacy;
GRANT UPDATE (subject, email_from, body) ON public.mail_message TO lead_mining_privacy;
GRANT SELECT (id, mail_message_id, body_html, email_to, email_cc) ON public.mail_mail TO lead_mining_privacy;
GRANT UPDATE (body_html) ON public.mail_mail TO lead_mining_privacy;
GRANT SELECT (id, name, email, email_normalized, phone, mobile, phone_sanitized) ON public.res_partner TO
    lead_mining_privacy;
GRANT SELECT (id, partner_id) ON public.mail_followers TO lead_mining_privacy;

-- Tables that only some CRMs have.
DO $$
DECLARE
    present record;
BEGIN
    FOR present IN
        SELECT * FROM (VALUES
            ('ir_cron', 'id, active', 'lead_mining'),
            ('base_automation', 'name, model_id, trigger, active', 'lead_mining'),
            ('ir_default', 'field_id, user_id, condition', 'lead_mining'),
            ('ir_model_fields', 'id, model, name', 'lead_mining'),
            ('mail_blacklist', 'email, active', 'lead_mining'),
            ('phone_blacklist', 'number, active', 'lead_mining'),
            ('mail_tracking_value', 'id, old_value_char, new_value_char, old_value_text, new_value_text',
             'lead_mining_privacy'),
            ('mail_activity', 'id, summary, note', 'lead_mining_privacy'),
            ('calendar_event', 'id, name, description', 'lead_mining_privacy')
        ) AS needed (name, columns, who)
        WHERE to_regclass('public.' || name) IS NOT NULL
    LOOP
        EXECUTE format('GRANT SELECT (%s) ON public.%I TO %I', present.columns, present.name, present.who);
    END LOOP;
END $$;

-- Sequences: behind the ids of new rows, and behind the numbers of mining requests (or, where these are to have no
-- gaps, the row that counts them).
DO $$
DECLARE
    name text;
    sequence record;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'ir_cron_trigger', 'mail_message', 'mail_followers', 'mail_notification', 'mail_mail', 'crm_tag',
        'crm_iap_lead_mining_request', 'crm_lead'
    ]
    LOOP
        EXECUTE format('GRANT USAGE ON SEQUENCE %s TO lead_mining', pg_get_serial_sequence('public.' || name, 'id'));
    END LOOP;
    FOR sequence IN
        SELECT id, implementation FROM public.ir_sequence WHERE code = 'crm.iap.lead.mining.request' AND active
    LOOP
        IF sequence.implementation = 'no_gap' THEN
            GRANT UPDATE (number_next) ON public.ir_sequence TO lead_mining;
        ELSE
            EXECUTE format('GRANT USAGE ON SEQUENCE public.ir_sequence_%s TO lead_mining',
                           lpad(sequence.id::text, greatest(3, length(sequence.id::text)), '0'));
        END IF;
    END LOOP;
END $$;

COMMIT;
