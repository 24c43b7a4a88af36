-- The audit log. Ids sort by time; entries of events derive theirs from the event, so that none is stored twice.
CREATE TABLE audit_log (
    id              uuid        PRIMARY KEY,
    at              timestamptz NOT NULL,
    outcome         text        NOT NULL,
    action          text        NOT NULL,
    error_code      text,
    user_id         uuid,
    role            text,
    credential_kind text,
    credential_id   uuid,
    resource_type   text,
    resource_id     uuid,
    owner_id        uuid,
    client_address  text,
    correlation_id  text        NOT NULL,
    causation_id    uuid
);
CREATE INDEX audit_log_outcome ON audit_log (outcome, id);
CREATE INDEX audit_log_action ON audit_log (action, id);
CREATE INDEX audit_log_user ON audit_log (user_id, id);
CREATE INDEX audit_log_resource ON audit_log (resource_id, id);
CREATE INDEX audit_log_address ON audit_log (client_address, id);

-- Entries are only added. `python -m identity prune-audit` deletes those that are older than 30 days.
CREATE FUNCTION keep_audit_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND TG_LEVEL = 'ROW' THEN
        IF current_setting('agentapi.prunes_audit_log', true) = 'on' AND OLD.at < now() - interval '30 days' THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_log_rows BEFORE UPDATE OR DELETE ON audit_log FOR EACH ROW EXECUTE FUNCTION keep_audit_log();
CREATE TRIGGER audit_log_table BEFORE TRUNCATE ON audit_log FOR EACH STATEMENT EXECUTE FUNCTION keep_audit_log();
