-- A key may end on its own, and may be replaced by another while it still holds: both are good until the old one's end.
ALTER TABLE keys ADD COLUMN expires_at timestamptz, ADD COLUMN replaced_by text REFERENCES keys (id);

-- Whose turn it is in the outbox: the source of the complaint that the event speaks of, so that all events of one complaint stand in one
-- lane and keep their order, and a source that floods stands in its own.
ALTER TABLE outbox ADD COLUMN lane text;
UPDATE outbox SET lane = coalesce((SELECT source FROM complaints WHERE complaints.id = encode(outbox.key, 'hex')::uuid), '');
ALTER TABLE outbox ALTER COLUMN lane SET NOT NULL;

-- Submissions name their lane themselves; of the few others it is looked up here, so that nobody can forget it.
CREATE FUNCTION set_lane() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SELECT source FROM %I.complaints WHERE id = $1', TG_TABLE_SCHEMA) INTO NEW.lane USING encode(NEW.key, 'hex')::uuid;
    NEW.lane := coalesce(NEW.lane, '');
    RETURN NEW;
END
$$;
CREATE TRIGGER outbox_lane BEFORE INSERT ON outbox FOR EACH ROW WHEN (NEW.lane IS NULL) EXECUTE FUNCTION set_lane();
CREATE INDEX outbox_turns ON outbox (topic, lane, id);

-- As it was, and with whom it came in: how much of each source is undecided is read from the index alone.
DROP INDEX complaints_unheard;
CREATE INDEX complaints_unheard ON complaints (reported_at, id) INCLUDE (source) WHERE next_look_at IS NOT NULL;
