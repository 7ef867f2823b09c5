-- Rule sets that a person activated, newest last; the newest is in force. `content` is a zip of its files, null for the packaged set.
CREATE TABLE rule_sets (
    number       int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    version      text NOT NULL,
    content      bytea,
    activated_at timestamptz NOT NULL,
    judged       int NOT NULL,               -- decisions of the log that the set was tried on
    moved        int NOT NULL,               -- those that it would have sent elsewhere
    is_confirmed boolean NOT NULL            -- a person confirmed a shift above the limit
);
