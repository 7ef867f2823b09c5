-- What units and desks, the triage desk and the admin said. `writer` is whose ids these are: a unit and its desks share theirs, as they do
-- on the unit's topic.
CREATE TABLE speech (
    writer        text NOT NULL,               -- unit:<slug>, triage or admin
    said_id       text NOT NULL,               -- update_id or decision_id
    complaint_id  uuid NOT NULL REFERENCES complaints (id),
    kind          text NOT NULL CHECK (kind IN ('update', 'decision')),
    by            text NOT NULL,               -- the key's name
    accepted_at   timestamptz NOT NULL,
    request_sha   bytea NOT NULL,
    original      text NOT NULL,               -- unmasked, with what stays in intake
    answer_id     uuid,
    is_draft      boolean NOT NULL DEFAULT false,
    PRIMARY KEY (writer, said_id)
);
CREATE INDEX speech_complaint ON speech (complaint_id);

-- Answers and their drafts, each a row of its own: what was drafted before stays.
CREATE TABLE answers (
    id            uuid PRIMARY KEY,
    complaint_id  uuid NOT NULL REFERENCES complaints (id),
    assignment_id uuid NOT NULL,
    unit          text NOT NULL,
    desk          text,
    by            text NOT NULL,
    accepted_at   timestamptz NOT NULL,
    is_draft      boolean NOT NULL,
    is_final      boolean NOT NULL,
    text          text NOT NULL,
    attachments   text NOT NULL,               -- JSON, addresses as given
    drafted_by    text,
    approved_by   text
);
CREATE INDEX answers_complaint ON answers (complaint_id, accepted_at);

-- Who was shown a report unmasked, when and what for. Nothing here is ever changed.
CREATE TABLE disclosures (
    id                uuid PRIMARY KEY,
    complaint_id      uuid NOT NULL REFERENCES complaints (id),
    by                text NOT NULL,
    unit              text NOT NULL,
    desk              text,
    assignment_id     uuid NOT NULL,
    purpose           text NOT NULL,
    disclosed_at      timestamptz NOT NULL,
    is_reporter_shown boolean NOT NULL
);
CREATE INDEX disclosures_complaint ON disclosures (complaint_id);
