-- Keys, checks and indexes of the tables of tables.sql, by Odoo 17's own names (foreign keys: by PostgreSQL's, as in Odoo). The b-tree and trigram indexes matter to
-- the loader: what they refuse or cost in a real Odoo, they refuse and cost here.

CREATE EXTENSION IF NOT EXISTS pg_trgm;

ALTER TABLE res_country
    ADD CONSTRAINT res_country_code_uniq UNIQUE (code),
    ADD CONSTRAINT res_country_name_uniq UNIQUE (name),
    ADD CONSTRAINT res_country_pkey PRIMARY KEY (id);
ALTER TABLE res_country_state
    ADD CONSTRAINT res_country_state_name_code_uniq UNIQUE (country_id, code),
    ADD CONSTRAINT res_country_state_pkey PRIMARY KEY (id);
ALTER TABLE res_partner
    ADD CONSTRAINT res_partner_pkey PRIMARY KEY (id),
    ADD CONSTRAINT res_partner_check_name CHECK (((((type)::text = 'contact'::text) AND (name IS NOT NULL)) OR ((type)::text <> 'contact'::text)));
ALTER TABLE res_company
    ADD CONSTRAINT res_company_name_uniq UNIQUE (name),
    ADD CONSTRAINT res_company_pkey PRIMARY KEY (id);
ALTER TABLE res_users
    ADD CONSTRAINT res_users_login_key UNIQUE (login),
    ADD CONSTRAINT res_users_pkey PRIMARY KEY (id),
    ADD CONSTRAINT res_users_notification_type CHECK ((((notification_type)::text = 'email'::text) OR (NOT share)));
ALTER TABLE res_company_users_rel
    ADD CONSTRAINT res_company_users_rel_pkey PRIMARY KEY (cid, user_id);
ALTER TABLE res_groups
    ADD CONSTRAINT res_groups_name_uniq UNIQUE (category_id, name),
    ADD CONSTRAINT res_groups_pkey PRIMARY KEY (id);
ALTER TABLE res_groups_users_rel
    ADD CONSTRAINT res_groups_users_rel_pkey PRIMARY KEY (gid, uid);
ALTER TABLE res_groups_implied_rel
    ADD CONSTRAINT res_groups_implied_rel_pkey PRIMARY KEY (gid, hid);
ALTER TABLE ir_model
    ADD CONSTRAINT ir_model_obj_name_uniq UNIQUE (model),
    ADD CONSTRAINT ir_model_pkey PRIMARY KEY (id);
ALTER TABLE ir_model_data
    ADD CONSTRAINT ir_model_data_pkey PRIMARY KEY (id),
    ADD CONSTRAINT ir_model_data_name_nospaces CHECK (((name)::text !~~ '%% %%'::text));
ALTER TABLE ir_module_module
    ADD CONSTRAINT ir_module_module_name_uniq UNIQUE (name),
    ADD CONSTRAINT ir_module_module_pkey PRIMARY KEY (id);
ALTER TABLE ir_sequence
    ADD CONSTRAINT ir_sequence_pkey PRIMARY KEY (id);
ALTER TABLE ir_config_parameter
    ADD CONSTRAINT ir_config_parameter_key_uniq UNIQUE (key),
    ADD CONSTRAINT ir_config_parameter_pkey PRIMARY KEY (id);
ALTER TABLE ir_cron_trigger
    ADD CONSTRAINT ir_cron_trigger_pkey PRIMARY KEY (id);
ALTER TABLE iap_account
    ADD CONSTRAINT iap_account_pkey PRIMARY KEY (id);
ALTER TABLE mail_alias_domain
    ADD CONSTRAINT mail_alias_domain_bounce_email_uniques UNIQUE (bounce_alias, name),
    ADD CONSTRAINT mail_alias_domain_catchall_email_uniques UNIQUE (catchall_alias, name),
    ADD CONSTRAINT mail_alias_domain_pkey PRIMARY KEY (id);
ALTER TABLE mail_alias
    ADD CONSTRAINT mail_alias_pkey PRIMARY KEY (id);
ALTER TABLE mail_message_subtype
    ADD CONSTRAINT mail_message_subtype_pkey PRIMARY KEY (id);
ALTER TABLE mail_message
    ADD CONSTRAINT mail_message_pkey PRIMARY KEY (id);
ALTER TABLE mail_followers
    ADD CONSTRAINT mail_followers_mail_followers_res_partner_res_model_id_uniq UNIQUE (res_model, res_id, partner_id),
    ADD CONSTRAINT mail_followers_pkey PRIMARY KEY (id);
ALTER TABLE mail_followers_mail_message_subtype_rel
    ADD CONSTRAINT mail_followers_mail_message_subtype_rel_pkey PRIMARY KEY (mail_followers_id, mail_message_subtype_id);
ALTER TABLE mail_mail
    ADD CONSTRAINT mail_mail_pkey PRIMARY KEY (id);
ALTER TABLE mail_mail_res_partner_rel
    ADD CONSTRAINT mail_mail_res_partner_rel_pkey PRIMARY KEY (mail_mail_id, res_partner_id);
ALTER TABLE mail_notification
    ADD CONSTRAINT mail_notification_pkey PRIMARY KEY (id),
    ADD CONSTRAINT mail_notification_notification_partner_required CHECK ((((notification_type)::text <> ALL (ARRAY[('email'::character varying)::text, ('inbox'::character varying)::text])) OR (res_partner_id IS NOT NULL)));
ALTER TABLE mail_message_res_partner_rel
    ADD CONSTRAINT mail_message_res_partner_rel_pkey PRIMARY KEY (mail_message_id, res_partner_id);
ALTER TABLE crm_team
    ADD CONSTRAINT crm_team_pkey PRIMARY KEY (id);
ALTER TABLE crm_team_member
    ADD CONSTRAINT crm_team_member_pkey PRIMARY KEY (id);
ALTER TABLE crm_stage
    ADD CONSTRAINT crm_stage_pkey PRIMARY KEY (id);
ALTER TABLE crm_tag
    ADD CONSTRAINT crm_tag_name_uniq UNIQUE (name),
    ADD CONSTRAINT crm_tag_pkey PRIMARY KEY (id);
ALTER TABLE crm_iap_lead_industry
    ADD CONSTRAINT crm_iap_lead_industry_name_uniq UNIQUE (name),
    ADD CONSTRAINT crm_iap_lead_industry_pkey PRIMARY KEY (id);
ALTER TABLE crm_iap_lead_role
    ADD CONSTRAINT crm_iap_lead_role_name_uniq UNIQUE (name),
    ADD CONSTRAINT crm_iap_lead_role_pkey PRIMARY KEY (id);
ALTER TABLE crm_iap_lead_seniority
    ADD CONSTRAINT crm_iap_lead_seniority_name_uniq UNIQUE (name),
    ADD CONSTRAINT crm_iap_lead_seniority_pkey PRIMARY KEY (id);
ALTER TABLE crm_iap_lead_mining_request
    ADD CONSTRAINT crm_iap_lead_mining_request_pkey PRIMARY KEY (id);
ALTER TABLE crm_iap_lead_industry_crm_iap_lead_mining_request_rel
    ADD CONSTRAINT crm_iap_lead_industry_crm_iap_lead_mining_request_rel_pkey PRIMARY KEY (crm_iap_lead_mining_request_id, crm_iap_lead_industry_id);
ALTER TABLE crm_iap_lead_mining_request_crm_iap_lead_role_rel
    ADD CONSTRAINT crm_iap_lead_mining_request_crm_iap_lead_role_rel_pkey PRIMARY KEY (crm_iap_lead_mining_request_id, crm_iap_lead_role_id);
ALTER TABLE crm_iap_lead_mining_request_crm_tag_rel
    ADD CONSTRAINT crm_iap_lead_mining_request_crm_tag_rel_pkey PRIMARY KEY (crm_iap_lead_mining_request_id, crm_tag_id);
ALTER TABLE crm_iap_lead_mining_request_res_country_rel
    ADD CONSTRAINT crm_iap_lead_mining_request_res_country_rel_pkey PRIMARY KEY (crm_iap_lead_mining_request_id, res_country_id);
ALTER TABLE crm_iap_lead_mining_request_res_country_state_rel
    ADD CONSTRAINT crm_iap_lead_mining_request_res_country_state_rel_pkey PRIMARY KEY (crm_iap_lead_mining_request_id, res_country_state_id);
ALTER TABLE crm_lead
    ADD CONSTRAINT crm_lead_pkey PRIMARY KEY (id),
    ADD CONSTRAINT crm_lead_check_probability CHECK (((probability >= (0)::double precision) AND (probability <= (100)::double precision)));
ALTER TABLE crm_tag_rel
    ADD CONSTRAINT crm_tag_rel_pkey PRIMARY KEY (lead_id, tag_id);
ALTER TABLE crm_lead_scoring_frequency
    ADD CONSTRAINT crm_lead_scoring_frequency_pkey PRIMARY KEY (id);
ALTER TABLE crm_lead_scoring_frequency_field
    ADD CONSTRAINT crm_lead_scoring_frequency_field_pkey PRIMARY KEY (id);

-- After all primary keys: the tables refer to one another in circles.
ALTER TABLE res_country
    ADD FOREIGN KEY (create_uid) REFERENCES res_users ON DELETE SET NULL,
    ADD FOREIGN KEY (write_uid) REFERENCES res_users ON DELETE SET NULL;
ALTER TABLE res_country_state
    ADD FOREIGN KEY (country_id) REFERENCES res_country ON DELETE RESTRICT,
    ADD FOREIGN KEY (create_uid) REFERENCES res_users ON DELETE SET NULL,
    ADD FOREIGN KEY (write_uid) REFERENCES res_users ON DELETE SET NULL;
ALTER TABLE res_partner
    ADD FOREIGN KEY (commercial_partner_id) REFERENCES res_partner ON DELETE SET NULL,
    ADD FOREIGN KEY (company_id) REFERENCES res_company ON DELETE SET NULL,
    ADD FOREIGN KEY (country_id) REFERENCES res_country ON DELETE RESTRICT,
    ADD FOREIGN KEY (create_uid) REFERENCES res_users ON DELETE SET NULL,
    ADD FOREIGN KEY (parent_id) REFERENCES res_partner ON DELETE SET NULL,
    ADD FOREIGN KEY (state_id) REFERENCES res_country_state ON DELETE RESTRICT,
    ADD FOREIGN KEY (team_id) REFERENCES crm_team ON DELETE SET NULL,
    ADD FOREIGN KEY (user_id) REFERENCES res_users ON DELETE SET NULL,
    ADD FOREIGN KEY (write_uid) REFERENCES res_users ON DELETE SET NULL;
ALTER TABLE res_company
    ADD FOREIGN KEY (alias_domain_id) REFERENCES mail_alias_domain ON DELETE SET NULL,
    ADD FOREIGN KEY (create_uid) REFERENCES res_users ON DELETE SET NULL,
    ADD FOREIGN KEY (parent_id) REFERENCES res_company ON DELETE SET NULL,
    ADD FOREIGN KEY (partner_id) REFERENCES res_partner ON DELETE RESTRICT,
    ADD FOREIGN KEY (write_uid) REFERENCES res_users ON DELETE SET NULL;
ALTER TABLE res_users
    ADD FOREIGN KEY (company_id) REFERENCES res_company ON DELETE RESTRICT,
    ADD FOREIGN KEY (create_uid) REFERENCES res_users ON DELETE SET NULL,
    ADD FOREIGN KEY (partner_id) REFERENCES res_partner ON DELETE RESTRICT,
    ADD FOREIGN KEY (sale_team_id) REFERENCES crm_team ON DELETE SET NULL,
    ADD FOREIGN KEY (write_uid) REFERENCES res_users ON DELETE SET NULL;
ALTER TABLE res_company_users_rel
    ADD FOREIGN KEY (cid) REFERENCES res_company ON DELETE CASCADE,
    ADD FOREIGN KEY (user_id) REFERENCES res_users ON DELETE CASCADE;
ALTER TABLE res_groups
    ADD FOREIGN KEY (create_uid) REFERENCES res_users ON DELETE SET NULL,
    ADD FOREIGN KEY (write_uid) REFERENCES res_users ON DELETE SET NULL;
ALTER TABLE res_groups_users_rel
    ADD FOREIGN KEY (gid) REFERENCES res_groups ON DELETE CASCADE,
    ADD FOREIGN KEY (uid) REFERENCES res_users ON DELETE CASCADE;
ALTER TABLE res_groups_implied_rel
    ADD FOREIGN KEY (gid) REFERENCES res_groups ON DELETE CASCADE,
    ADD FOREIGN KEY (hid) REFERENCES res_groups ON DELETE CASCADE;
ALTER TABLE ir_model
    ADD FOREIGN KEY (create_uid) REFERENCES res_users ON DELETE SET NULL,
    ADD FOREIGN KEY (write_uid) REFERENCES res_users ON DELETE SET NULL;
ALTER TABLE ir_model_data
    ADD FOREIGN KEY (create_uid) REFERENCES res_users ON DELETE SET NULL,
    ADD FOREIGN KEY (write_uid) REFERENCES res_users ON DELETE SET NULL;
ALTER TABLE ir_module_module
    ADD FOREIGN KEY (create_uid) REFERENCES res_users ON DELETE SET NULL,
    ADD FOREIGN KEY (write_uid) REFERENCES res_users ON DELETE SET NULL;
ALTER TABLE ir_sequence
    ADD FOREIGN KEY (company_id) REFERENCES res_company ON DELETE SET NULL,
    ADD FOREIGN KEY (create_uid) REFERENCES res_users ON DELETE SET NULL,
    ADD FOREIGN KEY (write_uid) REFERENCES res_users ON DELETE SET NULL;
ALTER TABLE ir_config_parameter
    ADD FOREIGN KEY (create_uid) REFERENCES res_users ON DELETE SET NULL,
    ADD FOREIGN KEY (write_uid) REFERENCES res_users ON DELETE SET NULL;
ALTER TABLE ir_cron_trigger
    ADD FOREIGN KEY (create_uid) REFERENCES res_users ON DELETE SET NULL,
    ADD FOREIGN KEY (write_uid) REFERENCES res_users ON DELETE SET NULL;
ALTER TABLE iap_account
    ADD FOREIGN KEY (create_uid) REFERENCES res_users ON DELETE SET NULL,
    ADD FOREIGN KEY (write_uid) REFERENCES res_users ON DELETE SET NULL;
ALTER TABLE mail_alias_domain
    ADD FOREIGN KEY (create_uid) REFERENCES res_users ON DELETE SET NULL,
    ADD FOREIGN KEY (write_uid) REFERENCES res_users ON DELETE SET NULL;
ALTER TABLE mail_alias
    ADD FOREIGN KEY (alias_domain_id) REFERENCES mail_alias_domain ON DELETE RESTRICT,
    ADD FOREIGN KEY (alias_model_id) REFERENCES ir_model ON DELETE CASCADE,
    ADD FOREIGN KEY (alias_parent_model_id) REFERENCES ir_model ON DELETE SET NULL,
    ADD FOREIGN KEY (create_uid) REFERENCES res_users ON DELETE SET NULL,
    ADD FOREIGN KEY (write_uid) REFERENCES res_users ON DELETE SET NULL;
ALTER TABLE mail_message_subtype
    ADD FOREIGN KEY (create_uid) REFERENCES res_users ON DELETE SET NULL,
    ADD FOREIGN KEY (parent_id) REFERENCES mail_message_subtype ON DELETE SET NULL,
    ADD FOREIGN KEY (write_uid) REFERENCES res_users ON DELETE SET NULL;
ALTER TABLE mail_message
    ADD FOREIGN KEY (author_id) REFERENCES res_partner ON DELETE SET NULL,
    ADD FOREIGN KEY (create_uid) REFERENCES res_users ON DELETE SET NULL,
    ADD FOREIGN KEY (parent_id) REFERENCES mail_message ON DELETE SET NULL,
    ADD FOREIGN KEY (record_alias_domain_id) REFERENCES mail_alias_domain ON DELETE SET NULL,
    ADD FOREIGN KEY (record_company_id) REFERENCES res_company ON DELETE SET NULL,
    ADD FOREIGN KEY (subtype_id) REFERENCES mail_message_subtype ON DELETE SET NULL,
    ADD FOREIGN KEY (write_uid) REFERENCES res_users ON DELETE SET NULL;
ALTER TABLE mail_followers
    ADD FOREIGN KEY (partner_id) REFERENCES res_partner ON DELETE CASCADE;
ALTER TABLE mail_followers_mail_message_subtype_rel
    ADD FOREIGN KEY (mail_message_subtype_id) REFERENCES mail_message_subtype ON DELETE CASCADE,
    ADD FOREIGN KEY (mail_followers_id) REFERENCES mail_followers ON DELETE CASCADE;
ALTER TABLE mail_mail
    ADD FOREIGN KEY (create_uid) REFERENCES res_users ON DELETE SET NULL,
    ADD FOREIGN KEY (mail_message_id) REFERENCES mail_message ON DELETE CASCADE,
    ADD FOREIGN KEY (write_uid) REFERENCES res_users ON DELETE SET NULL;
ALTER TABLE mail_mail_res_partner_rel
    ADD FOREIGN KEY (mail_mail_id) REFERENCES mail_mail ON DELETE CASCADE,
    ADD FOREIGN KEY (res_partner_id) REFERENCES res_partner ON DELETE CASCADE;
ALTER TABLE mail_notification
    ADD FOREIGN KEY (author_id) REFERENCES res_partner ON DELETE SET NULL,
    ADD FOREIGN KEY (mail_mail_id) REFERENCES mail_mail ON DELETE SET NULL,
    ADD FOREIGN KEY (mail_message_id) REFERENCES mail_message ON DELETE CASCADE,
    ADD FOREIGN KEY (res_partner_id) REFERENCES res_partner ON DELETE CASCADE;
ALTER TABLE mail_message_res_partner_rel
    ADD FOREIGN KEY (mail_message_id) REFERENCES mail_message ON DELETE CASCADE,
    ADD FOREIGN KEY (res_partner_id) REFERENCES res_partner ON DELETE CASCADE;
ALTER TABLE crm_team
    ADD FOREIGN KEY (alias_id) REFERENCES mail_alias ON DELETE RESTRICT,
    ADD FOREIGN KEY (company_id) REFERENCES res_company ON DELETE SET NULL,
    ADD FOREIGN KEY (create_uid) REFERENCES res_users ON DELETE SET NULL,
    ADD FOREIGN KEY (user_id) REFERENCES res_users ON DELETE SET NULL,
    ADD FOREIGN KEY (write_uid) REFERENCES res_users ON DELETE SET NULL;
ALTER TABLE crm_team_member
    ADD FOREIGN KEY (create_uid) REFERENCES res_users ON DELETE SET NULL,
    ADD FOREIGN KEY (crm_team_id) REFERENCES crm_team ON DELETE CASCADE,
    ADD FOREIGN KEY (user_id) REFERENCES res_users ON DELETE CASCADE,
    ADD FOREIGN KEY (write_uid) REFERENCES res_users ON DELETE SET NULL;
ALTER TABLE crm_stage
    ADD FOREIGN KEY (create_uid) REFERENCES res_users ON DELETE SET NULL,
    ADD FOREIGN KEY (team_id) REFERENCES crm_team ON DELETE SET NULL,
    ADD FOREIGN KEY (write_uid) REFERENCES res_users ON DELETE SET NULL;
ALTER TABLE crm_tag
    ADD FOREIGN KEY (create_uid) REFERENCES res_users ON DELETE SET NULL,
    ADD FOREIGN KEY (write_uid) REFERENCES res_users ON DELETE SET NULL;
ALTER TABLE crm_iap_lead_industry
    ADD FOREIGN KEY (create_uid) REFERENCES res_users ON DELETE SET NULL,
    ADD FOREIGN KEY (write_uid) REFERENCES res_users ON DELETE SET NULL;
ALTER TABLE crm_iap_lead_role
    ADD FOREIGN KEY (create_uid) REFERENCES res_users ON DELETE SET NULL,
    ADD FOREIGN KEY (write_uid) REFERENCES res_users ON DELETE SET NULL;
ALTER TABLE crm_iap_lead_seniority
    ADD FOREIGN KEY (create_uid) REFERENCES res_users ON DELETE SET NULL,
    ADD FOREIGN KEY (write_uid) REFERENCES res_users ON DELETE SET NULL;
ALTER TABLE crm_iap_lead_mining_request
    ADD FOREIGN KEY (create_uid) REFERENCES res_users ON DELETE SET NULL,
    ADD FOREIGN KEY (preferred_role_id) REFERENCES crm_iap_lead_role ON DELETE SET NULL,
    ADD FOREIGN KEY (seniority_id) REFERENCES crm_iap_lead_seniority ON DELETE SET NULL,
    ADD FOREIGN KEY (team_id) REFERENCES crm_team ON DELETE SET NULL,
    ADD FOREIGN KEY (user_id) REFERENCES res_users ON DELETE SET NULL,
    ADD FOREIGN KEY (write_uid) REFERENCES res_users ON DELETE SET NULL;
ALTER TABLE crm_iap_lead_industry_crm_iap_lead_mining_request_rel
    ADD FOREIGN KEY (crm_iap_lead_mining_request_id) REFERENCES crm_iap_lead_mining_request ON DELETE CASCADE,
    ADD FOREIGN KEY (crm_iap_lead_industry_id) REFERENCES crm_iap_lead_industry ON DELETE CASCADE;
ALTER TABLE crm_iap_lead_mining_request_crm_iap_lead_role_rel
    ADD FOREIGN KEY (crm_iap_lead_mining_request_id) REFERENCES crm_iap_lead_mining_request ON DELETE CASCADE,
    ADD FOREIGN KEY (crm_iap_lead_role_id) REFERENCES crm_iap_lead_role ON DELETE CASCADE;
ALTER TABLE crm_iap_lead_mining_request_crm_tag_rel
    ADD FOREIGN KEY (crm_iap_lead_mining_request_id) REFERENCES crm_iap_lead_mining_request ON DELETE CASCADE,
    ADD FOREIGN KEY (crm_tag_id) REFERENCES crm_tag ON DELETE CASCADE;
ALTER TABLE crm_iap_lead_mining_request_res_country_rel
    ADD FOREIGN KEY (crm_iap_lead_mining_request_id) REFERENCES crm_iap_lead_mining_request ON DELETE CASCADE,
    ADD FOREIGN KEY (res_country_id) REFERENCES res_country ON DELETE CASCADE;
ALTER TABLE crm_iap_lead_mining_request_res_country_state_rel
    ADD FOREIGN KEY (crm_iap_lead_mining_request_id) REFERENCES crm_iap_lead_mining_request ON DELETE CASCADE,
    ADD FOREIGN KEY (res_country_state_id) REFERENCES res_country_state ON DELETE CASCADE;
ALTER TABLE crm_lead
    ADD FOREIGN KEY (company_id) REFERENCES res_company ON DELETE SET NULL,
    ADD FOREIGN KEY (country_id) REFERENCES res_country ON DELETE SET NULL,
    ADD FOREIGN KEY (create_uid) REFERENCES res_users ON DELETE SET NULL,
    ADD FOREIGN KEY (lead_mining_request_id) REFERENCES crm_iap_lead_mining_request ON DELETE SET NULL,
    ADD FOREIGN KEY (partner_id) REFERENCES res_partner ON DELETE SET NULL,
    ADD FOREIGN KEY (stage_id) REFERENCES crm_stage ON DELETE RESTRICT,
    ADD FOREIGN KEY (state_id) REFERENCES res_country_state ON DELETE SET NULL,
    ADD FOREIGN KEY (team_id) REFERENCES crm_team ON DELETE SET NULL,
    ADD FOREIGN KEY (user_id) REFERENCES res_users ON DELETE SET NULL,
    ADD FOREIGN KEY (write_uid) REFERENCES res_users ON DELETE SET NULL;
ALTER TABLE crm_tag_rel
    ADD FOREIGN KEY (lead_id) REFERENCES crm_lead ON DELETE CASCADE,
    ADD FOREIGN KEY (tag_id) REFERENCES crm_tag ON DELETE CASCADE;
ALTER TABLE crm_lead_scoring_frequency
    ADD FOREIGN KEY (create_uid) REFERENCES res_users ON DELETE SET NULL,
    ADD FOREIGN KEY (team_id) REFERENCES crm_team ON DELETE CASCADE,
    ADD FOREIGN KEY (write_uid) REFERENCES res_users ON DELETE SET NULL;
ALTER TABLE crm_lead_scoring_frequency_field
    ADD FOREIGN KEY (create_uid) REFERENCES res_users ON DELETE SET NULL,
    ADD FOREIGN KEY (write_uid) REFERENCES res_users ON DELETE SET NULL;

CREATE INDEX res_partner__commercial_partner_id_index ON res_partner (commercial_partner_id);
CREATE INDEX res_partner__company_id_index ON res_partner (company_id);
CREATE INDEX res_partner__complete_name_index ON res_partner (complete_name);
CREATE INDEX res_partner__date_index ON res_partner (date);
CREATE INDEX res_partner__name_index ON res_partner (name);
CREATE INDEX res_partner__parent_id_index ON res_partner (parent_id);
CREATE INDEX res_partner__ref_index ON res_partner (ref);
CREATE INDEX res_partner__vat_index ON res_partner (vat);
CREATE INDEX res_company__parent_id_index ON res_company (parent_id);
CREATE INDEX res_company__parent_path_index ON res_company (parent_path);
CREATE INDEX res_users__partner_id_index ON res_users (partner_id);
CREATE INDEX res_company_users_rel_user_id_cid_idx ON res_company_users_rel (user_id, cid);
CREATE INDEX res_groups__category_id_index ON res_groups (category_id);
CREATE INDEX res_groups_users_rel_uid_gid_idx ON res_groups_users_rel (uid, gid);
CREATE INDEX res_groups_implied_rel_hid_gid_idx ON res_groups_implied_rel (hid, gid);
CREATE INDEX ir_model_data_model_res_id_index ON ir_model_data (model, res_id);
CREATE UNIQUE INDEX ir_model_data_module_name_uniq_index ON ir_model_data (module, name);
CREATE INDEX ir_module_module__category_id_index ON ir_module_module (category_id);
CREATE INDEX ir_module_module__state_index ON ir_module_module (state);
CREATE INDEX ir_cron_trigger__cron_id_index ON ir_cron_trigger (cron_id);
CREATE UNIQUE INDEX mail_alias_name_domain_unique ON mail_alias (alias_name, COALESCE(alias_domain_id, 0));
CREATE INDEX mail_message__author_id_index ON mail_message (author_id);
CREATE INDEX mail_message__mail_activity_type_id_index ON mail_message (mail_activity_type_id) WHERE (mail_activity_type_id IS NOT NULL);
CREATE INDEX mail_message__message_id_index ON mail_message (message_id);
CREATE INDEX mail_message__parent_id_index ON mail_message (parent_id) WHERE (parent_id IS NOT NULL);
CREATE INDEX mail_message__subtype_id_index ON mail_message (subtype_id);
CREATE INDEX mail_message_model_res_id_id_idx ON mail_message (model, res_id, id);
CREATE INDEX mail_message_model_res_id_idx ON mail_message (model, res_id);
CREATE INDEX mail_mail__mail_message_id_index ON mail_mail (mail_message_id);
CREATE INDEX mail_mail_res_partner_rel_res_partner_id_mail_mail_id_idx ON mail_mail_res_partner_rel (res_partner_id, mail_mail_id);
CREATE INDEX mail_followers__partner_id_index ON mail_followers (partner_id);
CREATE INDEX mail_followers__res_id_index ON mail_followers (res_id);
CREATE INDEX mail_followers__res_model_index ON mail_followers (res_model);
CREATE INDEX mail_followers_mail_message_s_mail_message_subtype_id_mail__idx ON mail_followers_mail_message_subtype_rel (mail_message_subtype_id, mail_followers_id);
CREATE INDEX mail_notification__is_read_index ON mail_notification (is_read);
CREATE INDEX mail_notification__letter_id_index ON mail_notification (letter_id) WHERE (letter_id IS NOT NULL);
CREATE INDEX mail_notification__mail_mail_id_index ON mail_notification (mail_mail_id);
CREATE INDEX mail_notification__mail_message_id_index ON mail_notification (mail_message_id);
CREATE INDEX mail_notification__notification_status_index ON mail_notification (notification_status);
CREATE INDEX mail_notification__notification_type_index ON mail_notification (notification_type);
CREATE INDEX mail_notification__res_partner_id_index ON mail_notification (res_partner_id);
CREATE INDEX mail_notification__sms_id_int_index ON mail_notification (sms_id_int) WHERE (sms_id_int IS NOT NULL);
CREATE INDEX mail_notification_author_id_notification_status_failure ON mail_notification (author_id, notification_status) WHERE ((notification_status)::text = ANY (ARRAY[('bounce'::character varying)::text, ('exception'::character varying)::text]));
CREATE INDEX mail_notification_res_partner_id_is_read_notification_status_ma ON mail_notification (res_partner_id, is_read, notification_status, mail_message_id);
CREATE UNIQUE INDEX unique_mail_message_id_res_partner_id_if_set ON mail_notification (mail_message_id, res_partner_id) WHERE (res_partner_id IS NOT NULL);
CREATE INDEX mail_message_res_partner_rel_res_partner_id_mail_message_id_idx ON mail_message_res_partner_rel (res_partner_id, mail_message_id);
CREATE INDEX crm_team__company_id_index ON crm_team (company_id);
CREATE INDEX crm_team_member__crm_team_id_index ON crm_team_member (crm_team_id);
CREATE INDEX crm_team_member__user_id_index ON crm_team_member (user_id);
CREATE INDEX crm_iap_lead_industry_crm_iap_crm_iap_lead_industry_id_crm__idx ON crm_iap_lead_industry_crm_iap_lead_mining_request_rel (crm_iap_lead_industry_id, crm_iap_lead_mining_request_id);
CREATE INDEX crm_iap_lead_mining_request_c_crm_iap_lead_role_id_crm_iap__idx ON crm_iap_lead_mining_request_crm_iap_lead_role_rel (crm_iap_lead_role_id, crm_iap_lead_mining_request_id);
CREATE INDEX crm_iap_lead_mining_request_c_crm_tag_id_crm_iap_lead_minin_idx ON crm_iap_lead_mining_request_crm_tag_rel (crm_tag_id, crm_iap_lead_mining_request_id);
CREATE INDEX crm_iap_lead_mining_request_r_res_country_id_crm_iap_lead_m_idx ON crm_iap_lead_mining_request_res_country_rel (res_country_id, crm_iap_lead_mining_request_id);
CREATE INDEX crm_iap_lead_mining_request_r_res_country_state_id_crm_iap__idx ON crm_iap_lead_mining_request_res_country_state_rel (res_country_state_id, crm_iap_lead_mining_request_id);
CREATE INDEX crm_lead__company_id_index ON crm_lead (company_id);
CREATE INDEX crm_lead__contact_name_index ON crm_lead USING gin (contact_name gin_trgm_ops);
CREATE INDEX crm_lead__date_last_stage_update_index ON crm_lead (date_last_stage_update);
CREATE INDEX crm_lead__email_domain_criterion_index ON crm_lead (email_domain_criterion) WHERE (email_domain_criterion IS NOT NULL);
CREATE INDEX crm_lead__email_from_index ON crm_lead USING gin (email_from gin_trgm_ops);
CREATE INDEX crm_lead__email_normalized_index ON crm_lead USING gin (email_normalized gin_trgm_ops);
CREATE INDEX crm_lead__lead_mining_request_id_index ON crm_lead (lead_mining_request_id) WHERE (lead_mining_request_id IS NOT NULL);
CREATE INDEX crm_lead__lost_reason_id_index ON crm_lead (lost_reason_id);
CREATE INDEX crm_lead__name_index ON crm_lead USING gin (name gin_trgm_ops);
CREATE INDEX crm_lead__partner_id_index ON crm_lead (partner_id);
CREATE INDEX crm_lead__partner_name_index ON crm_lead USING gin (partner_name gin_trgm_ops);
CREATE INDEX crm_lead__phone_sanitized_index ON crm_lead (phone_sanitized) WHERE (phone_sanitized IS NOT NULL);
CREATE INDEX crm_lead__priority_index ON crm_lead (priority);
CREATE INDEX crm_lead__stage_id_index ON crm_lead (stage_id);
CREATE INDEX crm_lead__team_id_index ON crm_lead (team_id);
CREATE INDEX crm_lead__type_index ON crm_lead (type);
CREATE INDEX crm_lead__user_id_index ON crm_lead (user_id);
CREATE INDEX crm_lead_create_date_team_id_idx ON crm_lead (create_date, team_id);
CREATE INDEX crm_lead_mobile_partial_tgm ON crm_lead (regexp_replace((mobile)::text, '[\s\\./\(\)\-]'::text, ''::text, 'g'::text)) WHERE (mobile IS NOT NULL);
CREATE INDEX crm_lead_phone_partial_tgm ON crm_lead (regexp_replace((phone)::text, '[\s\\./\(\)\-]'::text, ''::text, 'g'::text)) WHERE (phone IS NOT NULL);
CREATE INDEX crm_lead_user_id_team_id_type_index ON crm_lead (user_id, team_id, type);
CREATE INDEX crm_tag_rel_tag_id_lead_id_idx ON crm_tag_rel (tag_id, lead_id);
CREATE INDEX crm_lead_scoring_frequency__variable_index ON crm_lead_scoring_frequency (variable);
