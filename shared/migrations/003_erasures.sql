-- What was erased and what must not be: both are only added to, and say nothing of what was erased but how much of it there was.

CREATE TABLE erasures (
    number       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    complaint_id uuid NOT NULL,
    erased_at    timestamptz NOT NULL,
    reason       text NOT NULL CHECK (reason IN ('retention', 'no_longer_needed', 'consent_withdrawn', 'requested', 'unlawful', 'restored')),
    operator     text NOT NULL,
    db_role      text NOT NULL DEFAULT session_user,
    removed      jsonb NOT NULL  -- how much, by table
);
CREATE INDEX erasures_complaint ON erasures (complaint_id);

-- Cases that a court or the inspectorate needs as they are. The newest row of a complaint counts.
CREATE TABLE legal_holds (
    number       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    complaint_id uuid NOT NULL,
    is_held      boolean NOT NULL,
    reason       text NOT NULL,
    said_at      timestamptz NOT NULL,
    operator     text NOT NULL,
    db_role      text NOT NULL DEFAULT session_user
);
CREATE INDEX legal_holds_complaint ON legal_holds (complaint_id, number);

CREATE FUNCTION keep_erasures() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what was erased or held stays written down' USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER erasures_are_kept BEFORE UPDATE OR DELETE ON erasures FOR EACH ROW EXECUTE FUNCTION keep_erasures();
CREATE TRIGGER erasures_are_not_emptied BEFORE TRUNCATE ON erasures FOR EACH STATEMENT EXECUTE FUNCTION keep_erasures();
CREATE TRIGGER holds_are_kept BEFORE UPDATE OR DELETE ON legal_holds FOR EACH ROW EXECUTE FUNCTION keep_erasures();
CREATE TRIGGER holds_are_not_emptied BEFORE TRUNCATE ON legal_holds FOR EACH STATEMENT EXECUTE FUNCTION keep_erasures();
