-- Each time the database was set back to a backup, and when the work that must follow was done: until then no service begins.
CREATE TABLE restores (
    number         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    restored_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    backup_made_at timestamptz NOT NULL,
    operator       text NOT NULL,
    db_role        text NOT NULL DEFAULT session_user,
    erased         uuid[] NOT NULL DEFAULT '{}',  -- known to be erased when it was restored, in the backup perhaps not yet
    recovered_at   timestamptz,
    recovered      jsonb                          -- what was derived and sent again, as counts
);
