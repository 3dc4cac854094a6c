-- A message, a mail or a follower can belong to any record of Odoo's, and a message's HTML is shown as it is. So who
-- mines adds them to leads of lead mining alone, and who erases changes those of leads alone; all others pass.
-- A lead whose request was deleted in the CRM is loaded without a link to it: then the candidate says that it is ours.
-- role.sql makes the triggers on Odoo's tables that call this once for each statement.
CREATE FUNCTION lead_mining.guard_chatter() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    elsewhere boolean;
    loading bigint := txid_current() % 4294967296; -- leads of this transaction are being loaded, by who may write them
BEGIN
    IF pg_has_role(to_regrole('lead_mining'), 'MEMBER') IS NOT TRUE -- in a copy there may be no such role
       OR pg_has_role((SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'MEMBER') THEN
        RETURN NULL;
    END IF;
    IF TG_TABLE_NAME = 'mail_message' THEN
        elsewhere := EXISTS (
            SELECT FROM new_rows WHERE model IS DISTINCT FROM 'crm.lead' OR TG_OP = 'INSERT' AND NOT EXISTS (
                SELECT FROM public.crm_lead l WHERE l.id = new_rows.res_id AND (l.xmin::text::bigint = loading
                OR EXISTS (SELECT FROM lead_mining.run r WHERE r.crm_request_id = l.lead_mining_request_id)
                OR l.lead_mining_request_id IS NULL AND EXISTS (SELECT FROM lead_mining.candidate c WHERE c.lead_id = l.id))));
    ELSIF TG_TABLE_NAME = 'mail_followers' THEN
        elsewhere := EXISTS (
            SELECT FROM new_rows WHERE res_model IS DISTINCT FROM 'crm.lead' OR NOT EXISTS (
                SELECT FROM public.crm_lead l WHERE l.id = new_rows.res_id AND (l.xmin::text::bigint = loading
                OR EXISTS (SELECT FROM lead_mining.run r WHERE r.crm_request_id = l.lead_mining_request_id)
                OR l.lead_mining_request_id IS NULL AND EXISTS (SELECT FROM lead_mining.candidate c WHERE c.lead_id = l.id))));
    ELSE
        elsewhere := EXISTS (
            SELECT FROM new_rows WHERE NOT EXISTS (
                SELECT FROM public.mail_message m WHERE m.id = new_rows.mail_message_id AND m.model = 'crm.lead'
                AND (TG_OP = 'UPDATE' OR EXISTS (
                    SELECT FROM public.crm_lead l WHERE l.id = m.res_id AND (l.xmin::text::bigint = loading
                    OR EXISTS (SELECT FROM lead_mining.run r WHERE r.crm_request_id = l.lead_mining_request_id)
                    OR l.lead_mining_request_id IS NULL AND EXISTS (SELECT FROM lead_mining.candidate c WHERE c.lead_id = l.id))))));
    END IF;
    IF elsewhere THEN
        RAISE insufficient_privilege USING
            MESSAGE = format('%s may write into %s only what belongs to leads of lead mining', current_user, TG_TABLE_NAME);
    END IF;
    RETURN NULL;
END $$;
