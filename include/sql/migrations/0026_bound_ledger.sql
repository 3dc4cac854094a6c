-- What was paid for stays as it is, and credits move on the account of the run that they are for. Conditions stand in the
-- triggers' WHEN, so that they cost next to nothing where they do not hold. A person's data can still be erased.

CREATE FUNCTION lead_mining.refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '%.% % is settled, and stays as it is', TG_TABLE_SCHEMA, TG_TABLE_NAME, OLD.id
        USING ERRCODE = 'insufficient_privilege', DETAIL = format('Refused by the trigger %s.', TG_NAME);
END $$;

CREATE TRIGGER loaded_stays BEFORE UPDATE ON lead_mining.candidate FOR EACH ROW
    WHEN (OLD.lead_id IS NOT NULL AND
          (NEW.run_id, NEW.position, NEW.page_number, NEW.state, NEW.contacts, NEW.lead_id, NEW.retry_of) IS DISTINCT FROM
          (OLD.run_id, OLD.position, OLD.page_number, OLD.state, OLD.contacts, OLD.lead_id, OLD.retry_of)
          OR OLD.note_message_id <> NEW.note_message_id OR OLD.note_message_id IS NOT NULL AND NEW.note_message_id IS NULL)
    EXECUTE FUNCTION lead_mining.refuse_change();
CREATE TRIGGER loaded_company_stays BEFORE UPDATE OF company ON lead_mining.candidate FOR EACH ROW
    WHEN (OLD.lead_id IS NOT NULL AND
          (NEW.company->'reveal_id', jsonb_array_length(NEW.company->'contacts')) IS DISTINCT FROM
          (OLD.company->'reveal_id', jsonb_array_length(OLD.company->'contacts')))
    EXECUTE FUNCTION lead_mining.refuse_change();

-- With the rights of who loads: that a lead is in the CRM is seen by them.
CREATE FUNCTION lead_mining.check_loaded() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF to_regclass('public.crm_lead') IS NOT NULL THEN  -- else the CRM is another database
        PERFORM FROM public.crm_lead l
        WHERE l.id = NEW.lead_id AND l.reveal_id IS NOT DISTINCT FROM NEW.company->>'reveal_id';
        IF NOT FOUND THEN
            RAISE EXCEPTION 'candidate % cannot be loaded as lead %: the CRM has no such lead of that company', NEW.id,
                NEW.lead_id USING ERRCODE = 'check_violation';
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER loaded_is_in_the_crm BEFORE UPDATE ON lead_mining.candidate FOR EACH ROW
    WHEN (OLD.lead_id IS NULL AND NEW.lead_id IS NOT NULL) EXECUTE FUNCTION lead_mining.check_loaded();

-- A call: what it was asked for never changes, and once it is settled, neither does what came of it.
CREATE TRIGGER settled_stays BEFORE UPDATE ON lead_mining.provider_call FOR EACH ROW
    WHEN (OLD.state NOT IN ('open', 'unknown') AND (NEW.state, NEW.charged) IS DISTINCT FROM (OLD.state, OLD.charged))
    EXECUTE FUNCTION lead_mining.refuse_change();
CREATE TRIGGER unknown_is_settled_by_somebody BEFORE UPDATE ON lead_mining.provider_call FOR EACH ROW
    WHEN (OLD.state = 'unknown' AND NEW.state = 'not_charged'
          AND (NEW.settled_by IS NULL OR NEW.settled_by = 'balance' AND OLD.balance_before IS NULL))
    EXECUTE FUNCTION lead_mining.refuse_change();

-- A run's limits stay once it is prepared.
CREATE FUNCTION lead_mining.check_plan() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM lead_mining.run_step WHERE run_id = OLD.id AND step = 'prepare_request') THEN
        RAISE EXCEPTION 'run % is prepared: its leads, its most and its approval stay as planned', OLD.id
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER plan_stays BEFORE UPDATE ON lead_mining.run FOR EACH ROW
    WHEN ((NEW.lead_number, NEW.max_cost, NEW.needs_approval) IS DISTINCT FROM
          (OLD.lead_number, OLD.max_cost, OLD.needs_approval))
    EXECUTE FUNCTION lead_mining.check_plan();

-- A hold is for a run, and on its account; so are captures and releases, which are on the account of their hold. Refunds
-- are looked at by ledger_check_refund.
CREATE FUNCTION lead_mining.ledger_bound() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    its_run bigint := NEW.run_id;
    account text;
BEGIN
    IF NEW.call_id IS NOT NULL THEN
        its_run := (SELECT run_id FROM lead_mining.provider_call WHERE id = NEW.call_id);
        IF NEW.kind = 'capture' AND its_run <> (SELECT run_id FROM lead_mining.hold WHERE id = NEW.hold_id) THEN
            RAISE EXCEPTION 'provider call % is not of the run that hold % is for', NEW.call_id, NEW.hold_id
                USING ERRCODE = 'check_violation';
        END IF;
    ELSIF its_run IS NULL THEN
        RAISE EXCEPTION 'a hold is for a run, and none is named' USING ERRCODE = 'check_violation';
    END IF;
    SELECT credit_account INTO account FROM lead_mining.run WHERE id = its_run;
    IF account <> NEW.owner THEN
        RAISE EXCEPTION 'run % pays from the account "%", not from "%"', its_run, account, NEW.owner
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER ledger_bound BEFORE INSERT ON lead_mining.ledger_transaction FOR EACH ROW
    WHEN (NEW.kind = 'hold' OR NEW.call_id IS NOT NULL) EXECUTE FUNCTION lead_mining.ledger_bound();

ALTER FUNCTION lead_mining.guard_chatter() SET search_path = pg_catalog, pg_temp;
