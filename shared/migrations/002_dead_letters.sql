-- Which dead letters were put back, when, by whom: written before the record is sent, so that whatever was sent is known here.
-- A record is known by where it lay and by its bytes: offsets begin again where topics are made anew.

CREATE TABLE dead_letter_replays (
    id               uuid PRIMARY KEY,  -- the record put back carries it as x-replay-id
    service          text NOT NULL,
    letter_partition integer NOT NULL,
    letter_offset    bigint NOT NULL,
    origin_topic     text NOT NULL,
    origin_partition integer NOT NULL,
    origin_offset    bigint NOT NULL,
    digest           bytea NOT NULL,
    number           integer NOT NULL CHECK (number > 0),  -- 1, or more where an operator wanted it again
    reason           text NOT NULL,
    complaint_id     uuid,
    operator         text NOT NULL,
    db_role          text NOT NULL DEFAULT session_user,
    begun_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    sent_at          timestamptz,  -- Kafka has it; without it nobody knows, and a repeat sends it under the same id
    UNIQUE (service, origin_topic, origin_partition, origin_offset, digest, number)
);

CREATE FUNCTION keep_replays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF OLD.sent_at IS NULL AND to_jsonb(NEW) - 'sent_at' = to_jsonb(OLD) - 'sent_at' THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'what was put back stays written down' USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER replays_are_kept BEFORE UPDATE OR DELETE ON dead_letter_replays FOR EACH ROW EXECUTE FUNCTION keep_replays();
CREATE TRIGGER replays_are_not_emptied BEFORE TRUNCATE ON dead_letter_replays FOR EACH STATEMENT EXECUTE FUNCTION keep_replays();
