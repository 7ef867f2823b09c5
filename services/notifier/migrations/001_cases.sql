-- The case: what the notifier knows of one complaint. A row is made by the first record that names the complaint, so that every
-- writer has something to lock; it is a case once `is_opened`. What a case is follows from its timeline; here stands what fired,
-- and what is asked of many cases at once.
CREATE TABLE cases (
    id            uuid PRIMARY KEY,
    is_opened     boolean NOT NULL DEFAULT false,
    source        text,
    reported_at   timestamptz,
    state         text NOT NULL DEFAULT 'received',
    first_outcome text NOT NULL DEFAULT 'undecided',  -- what decision 0, part 0 made of it
    is_oversight  boolean NOT NULL DEFAULT false,
    is_open       boolean NOT NULL DEFAULT false,     -- somebody still has to do something
    is_watched    boolean NOT NULL DEFAULT false,     -- a clock will speak of it
    has_owner     boolean NOT NULL DEFAULT false,
    merged_into   uuid,
    sequence      bigint NOT NULL DEFAULT 0,
    timed_by      text NOT NULL DEFAULT '',           -- the versions of policies and calendar its clocks were worked out by
    next_due_at   timestamptz,
    due_at        timestamptz,                        -- its earliest deadline that still runs
    clocks        text NOT NULL DEFAULT '[]',
    told          text NOT NULL DEFAULT '[]',
    entries       int NOT NULL DEFAULT 0,             -- of its timeline, and the hash of the last
    head          bytea NOT NULL DEFAULT ''
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX cases_due ON cases (next_due_at, id) WHERE next_due_at IS NOT NULL;
CREATE INDEX cases_merged ON cases (merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX cases_unwatched ON cases (id) WHERE is_open AND NOT (is_watched AND has_owner);
CREATE INDEX cases_timed ON cases (timed_by) WHERE is_open;

-- Everything that became known and happened, in the order it did; each line's hash covers the line before it.
CREATE TABLE timeline (
    complaint_id uuid NOT NULL,
    number       int NOT NULL,
    at           timestamptz NOT NULL,   -- the instant it counts from
    noted_at     timestamptz NOT NULL,   -- when it was written
    kind         text NOT NULL,
    what         text NOT NULL,
    by           text,
    fact         text,                   -- what became known, as JSON: the case is made from these
    data         text,
    hash         bytea NOT NULL,
    PRIMARY KEY (complaint_id, number)
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the timeline is only ever added to' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER timeline_is_kept BEFORE UPDATE OR DELETE ON timeline FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER timeline_is_not_emptied BEFORE TRUNCATE ON timeline FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The masked report, for whoever has to decide it anew; `edits` are the source's later words, oldest first.
CREATE TABLE reports (
    complaint_id uuid PRIMARY KEY,
    value        bytea,
    edits        text NOT NULL DEFAULT '[]'
);

-- Every change and update that was seen, by its derived id: applied, parked or refused, it is not taken twice.
CREATE TABLE facts (
    id           uuid PRIMARY KEY,
    complaint_id uuid NOT NULL
);

-- What its case cannot take yet. Tried again at each change of the case.
CREATE TABLE parked (
    id           uuid PRIMARY KEY REFERENCES facts (id),
    complaint_id uuid NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('said', 'ordered', 'changed', 'disclosed')),
    counts_at    timestamptz NOT NULL,
    fact         text NOT NULL
);
CREATE INDEX parked_complaint ON parked (complaint_id);
CREATE INDEX parked_to_refuse ON parked (counts_at) WHERE kind IN ('said', 'ordered');

-- What happened to a case that others were merged into, for each of them to take.
CREATE TABLE passed_on (
    number       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    complaint_id uuid NOT NULL,
    fact         text NOT NULL
);

-- Desks that nobody sits at for a while, and who stands in.
CREATE TABLE absences (
    desk   text PRIMARY KEY,
    until  timestamptz NOT NULL,
    deputy text
);

-- For each input partition: how far it was applied, and the instant up to which all that was appended has been.
CREATE TABLE watermarks (
    topic         text NOT NULL,
    partition     int NOT NULL,
    position      bigint NOT NULL,
    applied_until timestamptz,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);
