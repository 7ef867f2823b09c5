-- Of an erased complaint an export brings nothing back.
ALTER TABLE complaints ADD COLUMN erased_at timestamptz;
