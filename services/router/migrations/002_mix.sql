-- What the drift alarm counts, beside the decision that says it: where the leading part went, and who decided. Null: history.
ALTER TABLE decisions ADD COLUMN destination text, ADD COLUMN decided_by text;

-- A report's words may have left an escaped NUL among the reasons, which PostgreSQL refuses to read; a doubled backslash is kept.
UPDATE decisions
SET decided_by = taken_json ->> 'decided_by',
    destination = CASE taken_json #>> '{parts,0,kind}'
        WHEN 'assign' THEN taken_json #>> '{parts,0,unit}' WHEN 'hold' THEN 'triage' WHEN 'transfer' THEN 'other_agency' END
FROM (
    SELECT causing_id AS id, regexp_replace(convert_from(taken, 'UTF8'), '(\\\\)|\\u0000', '\1', 'g')::json AS taken_json FROM decisions
) AS read
WHERE read.id = decisions.causing_id;

-- The last 29 days are counted each minute, and a decision's time is what the log is asked by.
CREATE INDEX decisions_by_time ON decisions (decided_at) INCLUDE (destination, decided_by, decision);
