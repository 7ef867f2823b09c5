-- One row per consumer that was stopped because too many of its records were bad; it outlives a restart.
CREATE TABLE breakers (
    purpose     text PRIMARY KEY,
    opened_at   timestamptz,
    reason      text,
    resumed_at  timestamptz
);
