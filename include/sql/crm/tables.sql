-- The part of Odoo 17's schema (public) that lead mining reads and writes: its tables, columns, types and defaults.
-- Facts of a fresh Odoo 17.0 with crm and crm_iap_mine; columns stand in its own order. Keys and indexes: keys_and_indexes.sql.
-- Columns that refer to tables we do not make (currency_id, lang_id, ...) stay, without their foreign key.

CREATE TABLE res_country (
    id serial, address_view_id integer, currency_id integer, phone_code integer, create_uid integer,
    write_uid integer, code varchar(2) NOT NULL, name_position varchar, name jsonb NOT NULL, vat_label jsonb,
    address_format text, state_required boolean, zip_required boolean, create_date timestamp, write_date timestamp
);
CREATE TABLE res_country_state (
    id serial, country_id integer NOT NULL, create_uid integer, write_uid integer, name varchar NOT NULL,
    code varchar NOT NULL, create_date timestamp, write_date timestamp
);
CREATE TABLE res_partner (
    id serial, company_id integer, create_date timestamp, name varchar, title integer, parent_id integer,
    user_id integer, state_id integer, country_id integer, industry_id integer, color integer,
    commercial_partner_id integer, create_uid integer, write_uid integer, complete_name varchar, ref varchar,
    lang varchar, tz varchar, vat varchar, company_registry varchar, website varchar, function varchar,
    type varchar, street varchar, street2 varchar, zip varchar, city varchar, email varchar, phone varchar,
    mobile varchar, commercial_company_name varchar, company_name varchar, date date, comment text,
    partner_latitude numeric, partner_longitude numeric, active boolean, employee boolean, is_company boolean,
    partner_share boolean, write_date timestamp, message_bounce integer, email_normalized varchar,
    signup_type varchar, signup_expiration timestamp, signup_token varchar, calendar_last_notif_ack timestamp,
    team_id integer, partner_gid integer, additional_info varchar, phone_sanitized varchar
);
CREATE TABLE res_company (
    id serial, name varchar NOT NULL, partner_id integer NOT NULL, currency_id integer NOT NULL, sequence integer,
    create_date timestamp, parent_path varchar, parent_id integer, paperformat_id integer,
    external_report_layout_id integer, create_uid integer, write_uid integer, email varchar, phone varchar,
    mobile varchar, font varchar, primary_color varchar, secondary_color varchar,
    layout_background varchar NOT NULL, report_header jsonb, report_footer jsonb, company_details jsonb,
    active boolean, uses_default_logo boolean, write_date timestamp, logo_web bytea, resource_calendar_id integer,
    alias_domain_id integer, alias_domain_name varchar, email_primary_color varchar, email_secondary_color varchar,
    partner_gid integer, iap_enrich_auto_done boolean, snailmail_color boolean, snailmail_cover boolean,
    snailmail_duplex boolean
);
CREATE TABLE res_users (
    id serial, company_id integer NOT NULL, partner_id integer NOT NULL, active boolean DEFAULT true,
    create_date timestamp, login varchar NOT NULL, password varchar, action_id integer, create_uid integer,
    write_uid integer, signature text, share boolean, write_date timestamp, totp_secret varchar,
    notification_type varchar NOT NULL, odoobot_state varchar, odoobot_failed boolean, sale_team_id integer,
    target_sales_won integer, target_sales_done integer
);
CREATE TABLE res_company_users_rel (
    cid integer NOT NULL, user_id integer NOT NULL
);
CREATE TABLE res_groups (
    id serial, name jsonb NOT NULL, category_id integer, color integer, create_uid integer, write_uid integer,
    comment jsonb, share boolean, create_date timestamp, write_date timestamp
);
CREATE TABLE res_groups_users_rel (
    gid integer NOT NULL, uid integer NOT NULL
);
CREATE TABLE res_groups_implied_rel (
    gid integer NOT NULL, hid integer NOT NULL
);
CREATE TABLE ir_model (
    id serial, create_uid integer, write_uid integer, model varchar NOT NULL, "order" varchar NOT NULL,
    state varchar, name jsonb NOT NULL, info text, transient boolean, create_date timestamp, write_date timestamp,
    is_mail_thread boolean, is_mail_activity boolean, is_mail_blacklist boolean
);
CREATE TABLE ir_model_data (
    id serial, create_uid integer, create_date timestamp DEFAULT (now() AT TIME ZONE 'UTC'::text),
    write_date timestamp DEFAULT (now() AT TIME ZONE 'UTC'::text), write_uid integer, res_id integer,
    noupdate boolean DEFAULT false, name varchar NOT NULL, module varchar NOT NULL, model varchar NOT NULL
);
CREATE TABLE ir_module_module (
    id serial, create_uid integer, create_date timestamp, write_date timestamp, write_uid integer, website varchar,
    summary jsonb, name varchar NOT NULL, author varchar, icon varchar, state varchar(16), latest_version varchar,
    shortdesc jsonb, category_id integer, description jsonb, application boolean DEFAULT false,
    demo boolean DEFAULT false, web boolean DEFAULT false, license varchar(32), sequence integer DEFAULT 100,
    auto_install boolean DEFAULT false, to_buy boolean DEFAULT false, maintainer varchar, published_version varchar,
    url varchar, contributors text, menus_by_module text, reports_by_module text, views_by_module text,
    module_type varchar, imported boolean
);
CREATE TABLE ir_sequence (
    id serial, number_next integer NOT NULL, number_increment integer NOT NULL, padding integer NOT NULL,
    company_id integer, create_uid integer, write_uid integer, name varchar NOT NULL, code varchar,
    implementation varchar NOT NULL, prefix varchar, suffix varchar, active boolean, use_date_range boolean,
    create_date timestamp, write_date timestamp
);
CREATE TABLE ir_config_parameter (
    id serial, create_uid integer, write_uid integer, key varchar NOT NULL, value text NOT NULL,
    create_date timestamp, write_date timestamp
);
CREATE TABLE ir_cron_trigger (
    id serial, cron_id integer, create_uid integer, write_uid integer, call_at timestamp, create_date timestamp,
    write_date timestamp
);
CREATE TABLE iap_account (
    id serial, create_uid integer, write_uid integer, name varchar, service_name varchar, account_token varchar(43),
    show_token boolean, create_date timestamp, write_date timestamp
);
CREATE TABLE mail_alias_domain (
    id serial, sequence integer, create_uid integer, write_uid integer, name varchar NOT NULL,
    bounce_alias varchar NOT NULL, catchall_alias varchar NOT NULL, default_from varchar, create_date timestamp,
    write_date timestamp
);
CREATE TABLE mail_alias (
    id serial, alias_domain_id integer, alias_model_id integer NOT NULL, alias_force_thread_id integer,
    alias_parent_model_id integer, alias_parent_thread_id integer, create_uid integer, write_uid integer,
    alias_name varchar, alias_full_name varchar, alias_contact varchar NOT NULL, alias_status varchar,
    alias_bounced_content jsonb, alias_defaults text NOT NULL, alias_incoming_local boolean, create_date timestamp,
    write_date timestamp
);
CREATE TABLE mail_message_subtype (
    id serial, parent_id integer, sequence integer, create_uid integer, write_uid integer, relation_field varchar,
    res_model varchar, name jsonb NOT NULL, description jsonb, internal boolean, "default" boolean, hidden boolean,
    track_recipients boolean, create_date timestamp, write_date timestamp
);
CREATE TABLE mail_message (
    id serial, parent_id integer, res_id integer, record_alias_domain_id integer, record_company_id integer,
    subtype_id integer, mail_activity_type_id integer, author_id integer, author_guest_id integer,
    mail_server_id integer, create_uid integer, write_uid integer, subject varchar, model varchar,
    record_name varchar, message_type varchar NOT NULL, email_from varchar, message_id varchar, reply_to varchar,
    email_layout_xmlid varchar, body text, is_internal boolean, reply_to_force_new boolean,
    email_add_signature boolean, date timestamp, pinned_at timestamp, create_date timestamp, write_date timestamp
);
CREATE TABLE mail_followers (
    id serial, res_id integer, partner_id integer NOT NULL, res_model varchar NOT NULL
);
CREATE TABLE mail_followers_mail_message_subtype_rel (
    mail_followers_id integer NOT NULL, mail_message_subtype_id integer NOT NULL
);
CREATE TABLE mail_mail (
    id serial, mail_message_id integer NOT NULL, fetchmail_server_id integer, create_uid integer, write_uid integer,
    email_cc varchar, state varchar, failure_type varchar, body_html text, "references" text, headers text,
    email_to text, failure_reason text, is_notification boolean, auto_delete boolean, scheduled_date timestamp,
    create_date timestamp, write_date timestamp
);
CREATE TABLE mail_mail_res_partner_rel (
    mail_mail_id integer NOT NULL, res_partner_id integer NOT NULL
);
CREATE TABLE mail_notification (
    id serial, author_id integer, mail_message_id integer NOT NULL, mail_mail_id integer, res_partner_id integer,
    notification_type varchar NOT NULL, notification_status varchar, failure_type varchar, failure_reason text,
    is_read boolean, read_date timestamp, sms_id_int integer, sms_number varchar, letter_id integer
);
CREATE TABLE mail_message_res_partner_rel (
    mail_message_id integer NOT NULL, res_partner_id integer NOT NULL
);
CREATE TABLE crm_team (
    id serial, sequence integer, company_id integer, user_id integer, color integer, create_uid integer,
    write_uid integer, name jsonb NOT NULL, active boolean, create_date timestamp, write_date timestamp,
    alias_id integer NOT NULL, assignment_domain varchar, lead_properties_definition jsonb, use_leads boolean,
    use_opportunities boolean, assignment_optout boolean
);
CREATE TABLE crm_team_member (
    id serial, crm_team_id integer NOT NULL, user_id integer NOT NULL, create_uid integer, write_uid integer,
    active boolean, create_date timestamp, write_date timestamp, assignment_max integer, assignment_domain varchar,
    assignment_optout boolean
);
CREATE TABLE crm_stage (
    id serial, sequence integer, team_id integer, create_uid integer, write_uid integer, name jsonb NOT NULL,
    requirements text, is_won boolean, fold boolean, create_date timestamp, write_date timestamp
);
CREATE TABLE crm_tag (
    id serial, color integer, create_uid integer, write_uid integer, name jsonb NOT NULL, create_date timestamp,
    write_date timestamp
);
CREATE TABLE crm_iap_lead_industry (
    id serial, color integer, sequence integer, create_uid integer, write_uid integer, reveal_ids varchar NOT NULL,
    name jsonb NOT NULL, create_date timestamp, write_date timestamp
);
CREATE TABLE crm_iap_lead_role (
    id serial, color integer, create_uid integer, write_uid integer, reveal_id varchar NOT NULL,
    name jsonb NOT NULL, create_date timestamp, write_date timestamp
);
CREATE TABLE crm_iap_lead_seniority (
    id serial, create_uid integer, write_uid integer, reveal_id varchar NOT NULL, name jsonb NOT NULL,
    create_date timestamp, write_date timestamp
);
CREATE TABLE crm_iap_lead_mining_request (
    id serial, lead_number integer NOT NULL, team_id integer, user_id integer, company_size_min integer,
    company_size_max integer, contact_number integer, preferred_role_id integer, seniority_id integer,
    create_uid integer, write_uid integer, name varchar NOT NULL, state varchar NOT NULL,
    search_type varchar NOT NULL, error_type varchar, lead_type varchar NOT NULL, contact_filter_type varchar,
    filter_on_size boolean, create_date timestamp, write_date timestamp
);
CREATE TABLE crm_iap_lead_industry_crm_iap_lead_mining_request_rel (
    crm_iap_lead_mining_request_id integer NOT NULL, crm_iap_lead_industry_id integer NOT NULL
);
CREATE TABLE crm_iap_lead_mining_request_crm_iap_lead_role_rel (
    crm_iap_lead_mining_request_id integer NOT NULL, crm_iap_lead_role_id integer NOT NULL
);
CREATE TABLE crm_iap_lead_mining_request_crm_tag_rel (
    crm_iap_lead_mining_request_id integer NOT NULL, crm_tag_id integer NOT NULL
);
CREATE TABLE crm_iap_lead_mining_request_res_country_rel (
    crm_iap_lead_mining_request_id integer NOT NULL, res_country_id integer NOT NULL
);
CREATE TABLE crm_iap_lead_mining_request_res_country_state_rel (
    crm_iap_lead_mining_request_id integer NOT NULL, res_country_state_id integer NOT NULL
);
CREATE TABLE crm_lead (
    id serial, campaign_id integer, source_id integer, medium_id integer, message_bounce integer, user_id integer,
    team_id integer, company_id integer, stage_id integer, color integer, recurring_plan integer,
    partner_id integer, title integer, lang_id integer, state_id integer, country_id integer,
    lost_reason_id integer, create_uid integer, write_uid integer, phone_sanitized varchar,
    email_normalized varchar, email_cc varchar, name varchar NOT NULL, referred varchar, type varchar NOT NULL,
    priority varchar, contact_name varchar, partner_name varchar, function varchar, email_from varchar,
    email_domain_criterion varchar, phone varchar, mobile varchar, phone_state varchar, email_state varchar,
    website varchar, street varchar, street2 varchar, zip varchar, city varchar, date_deadline date,
    lead_properties jsonb, description text, expected_revenue numeric, prorated_revenue numeric,
    recurring_revenue numeric, recurring_revenue_monthly numeric, recurring_revenue_monthly_prorated numeric,
    recurring_revenue_prorated numeric, active boolean, date_closed timestamp, date_automation_last timestamp,
    date_open timestamp, date_last_stage_update timestamp, date_conversion timestamp, create_date timestamp,
    write_date timestamp, day_open float8, day_close float8, probability float8, automated_probability float8,
    reveal_id varchar, iap_enrich_done boolean, lead_mining_request_id integer
);
CREATE TABLE crm_tag_rel (
    lead_id integer NOT NULL, tag_id integer NOT NULL
);
CREATE TABLE crm_lead_scoring_frequency (
    id serial, team_id integer, create_uid integer, write_uid integer, variable varchar, value varchar,
    won_count numeric, lost_count numeric, create_date timestamp, write_date timestamp
);
CREATE TABLE crm_lead_scoring_frequency_field (
    id serial, field_id integer NOT NULL, create_uid integer, write_uid integer, create_date timestamp,
    write_date timestamp
);
