-- What the lists and the change feed are read from, kept with the read model: for each reader of a case one row, so that every list is a
-- range of one index, whoever asks. A reader is a key's name (`source:lapor`, `unit:imigrasi`, `desk:kanim:kupang`) or `all`.
-- `due_at` is the earliest deadline that still runs and concerns this reader. A complaint of which nothing was heard yet is not here.
CREATE TABLE listed_cases (
    complaint_id uuid NOT NULL,
    reader       text COLLATE "C" NOT NULL,   -- names are ASCII: compared by bytes, in any locale
    reported_at  timestamptz NOT NULL,        -- the complaint's: it never changes, so that a page's end stays where it was
    state        text COLLATE "C" NOT NULL,
    due_at       timestamptz,
    PRIMARY KEY (complaint_id, reader)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

-- The change feed: under which number a case last changed, the same for each of its readers. Apart from the lists, of which most
-- statuses change nothing, while each of them changes this.
CREATE TABLE status_changes (
    complaint_id uuid NOT NULL,
    reader       text COLLATE "C" NOT NULL,
    change       bigint NOT NULL,
    changed_at   timestamptz NOT NULL,
    PRIMARY KEY (complaint_id, reader)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

-- Numbers the changes. Not a transaction id: a sequence goes on from where it was when the database is restored elsewhere.
CREATE SEQUENCE status_change_numbers;

-- From what the read model holds. A status may hold the escape of NUL, which PostgreSQL cannot turn into text.
WITH known AS MATERIALIZED (
    SELECT cases.complaint_id, complaints.reported_at, state, replace(status, '\u0000', '\u0020')::json AS status
    FROM cases JOIN complaints ON complaints.id = cases.complaint_id
), running AS MATERIALIZED (
    SELECT complaint_id, clock ->> 'assignment_id' AS assignment_id, (clock ->> 'due_at')::timestamptz AS due_at
    FROM known CROSS JOIN json_array_elements(status -> 'clocks') AS clock
    WHERE clock ->> 'state' IN ('running', 'expired') AND state NOT IN ('closed', 'withdrawn', 'history')
), whole AS (
    SELECT complaint_id, min(due_at) AS due_at, min(due_at) FILTER (WHERE assignment_id IS NULL) AS shared_due_at
    FROM running GROUP BY complaint_id
), own AS (
    SELECT complaint_id, assignment_id, min(due_at) AS due_at FROM running WHERE assignment_id IS NOT NULL GROUP BY complaint_id, assignment_id
), given AS (
    SELECT known.complaint_id, item ->> 'unit' AS unit, item ->> 'desk' AS desk,
        least(own.due_at, CASE WHEN item ->> 'state' IN ('assigned', 'accepted', 'answered') THEN whole.shared_due_at END) AS due_at
    FROM known CROSS JOIN json_array_elements(status -> 'assignments') AS item
    LEFT JOIN whole ON whole.complaint_id = known.complaint_id
    LEFT JOIN own ON own.complaint_id = known.complaint_id AND own.assignment_id = item ->> 'id'
), readers AS (
    SELECT complaint_id, 'all' AS reader, due_at FROM known LEFT JOIN whole USING (complaint_id)
    UNION ALL SELECT complaint_id, 'unit:' || unit, due_at FROM given
    UNION ALL SELECT complaint_id, 'desk:' || desk, due_at FROM given WHERE desk IS NOT NULL
    UNION ALL SELECT complaint_id, 'source:' || reports.source, whole.due_at
        FROM known JOIN reports USING (complaint_id) LEFT JOIN whole USING (complaint_id)
)
INSERT INTO listed_cases (complaint_id, reader, reported_at, state, due_at)
SELECT complaint_id, reader, known.reported_at, known.state, min(readers.due_at)
FROM readers JOIN known USING (complaint_id) GROUP BY complaint_id, reader, known.reported_at, known.state;

WITH numbered AS MATERIALIZED (
    SELECT complaint_id, nextval('status_change_numbers') AS change FROM listed_cases WHERE reader = 'all'
)
INSERT INTO status_changes (complaint_id, reader, change, changed_at)
SELECT complaint_id, reader, change, jalur.jalur_now() FROM listed_cases JOIN numbered USING (complaint_id);

-- The one order of all lists: a state's cases by the instant they were reported, their deadlines compared inside the index. A list without
-- a state is merged from the eleven; more indexes would cost each status more than they save a reader.
CREATE INDEX listed_cases_order ON listed_cases (reader, state, reported_at, complaint_id, due_at);
CREATE INDEX status_changes_order ON status_changes (reader, change);

-- Complaints without a decision yet, among them all without a status; empty where all goes well.
CREATE INDEX complaints_unheard ON complaints (reported_at, id) WHERE next_look_at IS NOT NULL;
