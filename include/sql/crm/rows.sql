-- What a fresh CRM holds: one company, an administrator, two salespeople with a team each, the Leads feature on.
-- Ids as in a fresh Odoo 17 where it has the row. Runs before the foreign keys exist, so rows may stand in any order.
-- Audit columns and sequences are set afterwards, for all tables alike (lead_mining.crm.embedded).

INSERT INTO res_company (id, name, partner_id, currency_id, active, layout_background, parent_path, font)
VALUES (1, 'My Company', 1, 1, true, 'Blank', '1/', 'Lato');

INSERT INTO res_partner (id, name, email, company_id, active, is_company)
VALUES (1, 'My Company', NULL, NULL, true, true),
       (2, 'OdooBot', 'odoobot@example.com', 1, false, false),
       (3, 'Administrator', 'admin@example.com', 1, true, false),
       (4, 'Alex Moreno', 'alex@example.com', 1, true, false),
       (5, 'Kim Lindgren', 'kim@example.com', 1, true, false);
UPDATE res_partner SET complete_name = name, email_normalized = email, commercial_partner_id = id, type = 'contact',
                       lang = 'en_US', color = 0, message_bounce = 0, partner_share = is_company;

INSERT INTO res_users (id, login, partner_id, company_id, active, share, notification_type, sale_team_id)
VALUES (1, '__system__', 2, 1, false, false, 'inbox', NULL),
       (2, 'admin', 3, 1, true, false, 'email', 1),
       (3, 'alex', 4, 1, true, false, 'email', 2),
       (4, 'kim', 5, 1, true, false, 'email', 3);
INSERT INTO res_company_users_rel (cid, user_id) SELECT 1, id FROM res_users;

INSERT INTO res_groups (id, name)
VALUES (1, '{"en_US": "Internal User"}'),
       (14, '{"en_US": "User: Own Documents Only"}'),
       (15, '{"en_US": "User: All Documents"}'),
       (16, '{"en_US": "Administrator"}'),
       (17, '{"en_US": "Show Lead Menu"}');
INSERT INTO res_groups_implied_rel (gid, hid) VALUES (14, 1), (15, 14), (16, 15), (1, 17);
INSERT INTO res_groups_users_rel (gid, uid)
SELECT g.id, u.id FROM res_groups g CROSS JOIN res_users u WHERE u.id <= 2 OR g.id IN (1, 14, 17);

INSERT INTO ir_module_module (name, state, latest_version)
VALUES ('base', 'installed', '17.0.1.3'), ('mail', 'installed', '17.0.1.15'), ('iap', 'installed', '17.0.1.1'),
       ('sales_team', 'installed', '17.0.1.1'), ('crm', 'installed', '17.0.1.8'), ('crm_iap_mine', 'installed', '17.0.1.2');

INSERT INTO ir_model (id, model, name, "order", state, is_mail_thread)
VALUES (1, 'crm.team', '{"en_US": "Sales Team"}', 'sequence ASC, create_date DESC, id DESC', 'base', true),
       (2, 'crm.lead', '{"en_US": "Lead/Opportunity"}', 'priority desc, id desc', 'base', true);

INSERT INTO crm_team (id, name, sequence, company_id, user_id, alias_id, active, use_leads, use_opportunities)
VALUES (1, '{"en_US": "Sales"}', 0, NULL, NULL, 1, true, true, true),
       (2, '{"en_US": "Americas"}', 10, 1, 3, 2, true, true, true),
       (3, '{"en_US": "Europe"}', 10, 1, 4, 3, true, true, true);
INSERT INTO crm_team_member (crm_team_id, user_id, active, assignment_max)
VALUES (1, 2, true, 30), (2, 3, true, 30), (3, 4, true, 30);
INSERT INTO mail_alias (id, alias_model_id, alias_parent_model_id, alias_parent_thread_id, alias_name, alias_full_name,
                        alias_contact, alias_defaults)
VALUES (1, 2, 1, 1, 'info', 'info', 'everyone', '{''type'': ''lead'', ''team_id'': 1}'),
       (2, 2, 1, 2, NULL, NULL, 'everyone', '{''type'': ''lead'', ''team_id'': 2}'),
       (3, 2, 1, 3, NULL, NULL, 'everyone', '{''type'': ''lead'', ''team_id'': 3}');

INSERT INTO crm_stage (id, sequence, name, is_won, fold)
VALUES (1, 1, '{"en_US": "New"}', NULL, NULL),
       (2, 2, '{"en_US": "Qualified"}', NULL, NULL),
       (3, 3, '{"en_US": "Proposition"}', NULL, NULL),
       (4, 70, '{"en_US": "Won"}', true, false);

INSERT INTO mail_message_subtype (id, parent_id, sequence, relation_field, res_model, name, internal, "default", hidden)
VALUES (1, NULL, 0, NULL, NULL, '{"en_US": "Discussions"}', NULL, true, NULL),
       (2, NULL, 100, NULL, NULL, '{"en_US": "Note"}', true, false, NULL),
       (3, NULL, 90, NULL, NULL, '{"en_US": "Activities"}', true, false, NULL),
       (5, NULL, 1, NULL, 'crm.lead', '{"en_US": "Opportunity Created"}', NULL, false, true),
       (6, NULL, 1, NULL, 'crm.lead', '{"en_US": "Stage Changed"}', NULL, false, NULL),
       (7, NULL, 1, NULL, 'crm.lead', '{"en_US": "Opportunity Won"}', NULL, false, NULL),
       (8, NULL, 1, NULL, 'crm.lead', '{"en_US": "Opportunity Lost"}', NULL, false, NULL),
       (9, NULL, 1, NULL, 'crm.lead', '{"en_US": "Opportunity Restored"}', NULL, false, NULL),
       (10, 5, 10, 'team_id', 'crm.team', '{"en_US": "Opportunity Created"}', NULL, true, NULL),
       (11, 6, 11, 'team_id', 'crm.team', '{"en_US": "Opportunity Stage Changed"}', NULL, true, NULL),
       (12, 7, 12, 'team_id', 'crm.team', '{"en_US": "Opportunity Won"}', NULL, true, NULL),
       (13, 8, 13, 'team_id', 'crm.team', '{"en_US": "Opportunity Lost"}', NULL, false, NULL),
       (14, 9, 14, 'team_id', 'crm.team', '{"en_US": "Opportunity Restored"}', NULL, false, NULL);

INSERT INTO ir_model_data (module, name, model, res_id, noupdate)
VALUES ('base', 'main_company', 'res.company', 1, true),
       ('base', 'main_partner', 'res.partner', 1, true),
       ('base', 'user_root', 'res.users', 1, true),
       ('base', 'user_admin', 'res.users', 2, true),
       ('base', 'partner_root', 'res.partner', 2, true),
       ('base', 'partner_admin', 'res.partner', 3, true),
       ('base', 'group_user', 'res.groups', 1, true),
       ('sales_team', 'group_sale_salesman', 'res.groups', 14, false),
       ('sales_team', 'group_sale_salesman_all_leads', 'res.groups', 15, false),
       ('sales_team', 'group_sale_manager', 'res.groups', 16, false),
       ('sales_team', 'team_sales_department', 'crm.team', 1, true),
       ('crm', 'group_use_lead', 'res.groups', 17, false),
       ('mail', 'mt_comment', 'mail.message.subtype', 1, true),
       ('mail', 'mt_note', 'mail.message.subtype', 2, true),
       ('crm', 'mt_lead_create', 'mail.message.subtype', 5, true);

INSERT INTO ir_config_parameter (key, value)
VALUES ('web.base.url', 'http://localhost:8069'), ('crm.pls_fields', 'phone_state,email_state'),
       ('database.uuid', md5(random()::text || clock_timestamp()::text)::uuid::text);

INSERT INTO ir_sequence (id, name, code, implementation, prefix, padding, number_next, number_increment, active)
VALUES (1, 'Lead Mining Request', 'crm.iap.lead.mining.request', 'standard', 'LMR', 3, 1, 1, true);
CREATE SEQUENCE ir_sequence_001;
