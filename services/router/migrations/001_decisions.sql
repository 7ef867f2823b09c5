-- The decision log: one row for each record that asked where a report goes, taken once. What is published is what stands here.
CREATE TABLE decisions (
    causing_id    uuid PRIMARY KEY,           -- ce_id of the record that asked
    complaint_id  uuid NOT NULL,
    decision      int NOT NULL,
    decided_at    timestamptz NOT NULL,
    rules_version text NOT NULL,
    report        bytea NOT NULL,             -- the masked report as it was judged, or only id and times where it could not be read
    taken         bytea NOT NULL,             -- the decision as JSON
    traceparent   text,
    UNIQUE (complaint_id, decision)
);
