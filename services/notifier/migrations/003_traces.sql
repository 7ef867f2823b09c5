-- The trace in which a complaint became known here: what fires weeks later has one of its own, and is linked to it. Empty unless
-- traces are wanted.
CREATE TABLE traces (
    complaint_id uuid PRIMARY KEY,
    traceparent  text NOT NULL
);
