-- A complaint and everything that only intake may know of it.
CREATE TABLE complaints (
    id           uuid PRIMARY KEY,
    source       text NOT NULL,
    source_ref   text,
    reported_at  timestamptz NOT NULL,
    accepted_at  timestamptz NOT NULL,
    is_final     boolean NOT NULL,
    received     bytea NOT NULL,              -- the event's value as sent, masked
    traceparent  text,
    next_look_at timestamptz,                 -- when to ask whether a status came of it; null once one did
    look_pause   interval NOT NULL DEFAULT '15 minutes',
    resent       int NOT NULL DEFAULT 0
);
CREATE INDEX complaints_to_look_at ON complaints (next_look_at) WHERE next_look_at IS NOT NULL;

-- Each report as it came, unmasked, with who reported. Number 0 made the complaint; later ones joined it by another door.
CREATE TABLE reports (
    complaint_id uuid NOT NULL REFERENCES complaints (id),
    number       int NOT NULL,
    source       text NOT NULL,
    source_ref   text,
    reported_at  timestamptz NOT NULL,
    accepted_at  timestamptz NOT NULL,
    original     text NOT NULL,               -- the parsed request as JSON
    PRIMARY KEY (complaint_id, number)
);
CREATE INDEX reports_source_ref ON reports (source, source_ref) WHERE source_ref IS NOT NULL;

-- Under which names a report is known: its key, its source's reference, its SP4N tracking id (of no source).
CREATE TABLE identities (
    kind         text NOT NULL CHECK (kind IN ('key', 'ref', 'sp4n')),
    source       text NOT NULL,
    value        text NOT NULL,
    complaint_id uuid NOT NULL,
    report       int NOT NULL,
    request_sha  bytea NOT NULL,
    PRIMARY KEY (kind, source, value)
);
CREATE INDEX identities_complaint ON identities (complaint_id);

CREATE TABLE changes (
    by           text NOT NULL,
    change_id    text NOT NULL,
    complaint_id uuid NOT NULL REFERENCES complaints (id),
    kind         text NOT NULL,
    accepted_at  timestamptz NOT NULL,
    request_sha  bytea NOT NULL,
    original     text NOT NULL,               -- unmasked, with what stays in intake
    PRIMARY KEY (by, change_id)
);
CREATE INDEX changes_complaint ON changes (complaint_id);

-- The last row of each report that an export showed, so that a newer export's differences are found.
CREATE TABLE known_rows (
    source       text NOT NULL,
    source_ref   text NOT NULL,
    complaint_id uuid NOT NULL REFERENCES complaints (id),
    exported_at  timestamptz NOT NULL,
    fields       text NOT NULL,
    PRIMARY KEY (source, source_ref)
);

-- The read model: what the notifier last said of each case.
CREATE TABLE cases (
    complaint_id uuid PRIMARY KEY,
    sequence     bigint NOT NULL,
    state        text NOT NULL,
    status       text NOT NULL
);

CREATE TABLE keys (
    id            text PRIMARY KEY,
    role          text NOT NULL,
    subject       text,
    secret_sha256 bytea NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    revoked_at    timestamptz
);
