-- The case: what the notifier knows of one complaint. A row is made by the first record that names the complaint, so that every
-- writer has something to lock; it is a case once `is_opened`.
CREATE TABLE cases (
    id            uuid PRIMARY KEY,
    is_opened     boolean NOT NULL DEFAULT false,
    is_complete   boolean NOT NULL DEFAULT false,   -- the report's facts are known, not only that it exists
    source        text,
    source_ref    text,
    service       text,
    class         text,
    province      text,
    reported_at   timestamptz,
    accepted_at   timestamptz,
    is_final      boolean NOT NULL DEFAULT false,
    is_oversight  boolean NOT NULL DEFAULT false,
    state         text NOT NULL DEFAULT 'received',
    first_outcome text NOT NULL DEFAULT 'undecided',  -- what decision 0, part 0 made of it
    parts         text NOT NULL DEFAULT '[]',
    answers       text NOT NULL DEFAULT '[]',
    ended_at      timestamptz,
    ended_state   text,
    ended_by      text,
    sequence      bigint NOT NULL DEFAULT 0,
    next_due_at   timestamptz
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX cases_due ON cases (next_due_at, id) WHERE next_due_at IS NOT NULL;

CREATE TABLE assignments (
    id           uuid PRIMARY KEY,
    complaint_id uuid NOT NULL REFERENCES cases (id),
    decision     int NOT NULL,
    part         int NOT NULL,
    unit         text NOT NULL,
    desk         text,
    is_oversight boolean NOT NULL,
    assigned_at  timestamptz NOT NULL,
    state        text NOT NULL,
    since        timestamptz NOT NULL,
    UNIQUE (complaint_id, decision, part)
);

-- `subject` is the assignment's id as text, or `case`. `fired` holds [level, instant, is_rescinded] of every level that fired.
CREATE TABLE clocks (
    complaint_id uuid NOT NULL REFERENCES cases (id),
    subject      text NOT NULL,
    code         text NOT NULL,
    occurrence   int NOT NULL,
    zone         text NOT NULL,
    started_at   timestamptz NOT NULL,
    due_at       timestamptz NOT NULL,
    next_level   int,
    next_at      timestamptz,
    state        text NOT NULL,
    stopped_at   timestamptz,
    fired        text NOT NULL DEFAULT '[]',
    PRIMARY KEY (complaint_id, subject, code, occurrence)
) WITH (fillfactor = 80);

-- Every change and update that was seen, by its derived id: applied, parked or refused, it is not taken twice.
CREATE TABLE facts (
    id           uuid PRIMARY KEY,
    complaint_id uuid NOT NULL
);

-- What its case cannot take yet. Tried again at each change of the case.
CREATE TABLE parked (
    id           uuid PRIMARY KEY REFERENCES facts (id),
    complaint_id uuid NOT NULL,
    kind         text NOT NULL CHECK (kind IN ('update', 'change')),
    counts_at    timestamptz NOT NULL,
    value        bytea NOT NULL
);
CREATE INDEX parked_complaint ON parked (complaint_id);
CREATE INDEX parked_updates ON parked (counts_at) WHERE kind = 'update';

CREATE TABLE timeline (
    number       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    complaint_id uuid NOT NULL,
    at           timestamptz NOT NULL,
    what         text NOT NULL,
    by           text
);
CREATE INDEX timeline_complaint ON timeline (complaint_id, at, number);

-- For each input partition: how far it was applied, and the instant up to which all that was appended has been.
CREATE TABLE watermarks (
    topic         text NOT NULL,
    partition     int NOT NULL,
    position      bigint NOT NULL,
    applied_until timestamptz,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);
