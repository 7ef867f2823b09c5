-- Of an erased complaint the log keeps where it went and by which rules; its words can no longer be judged anew, nor learned from.
ALTER TABLE decisions ADD COLUMN erased_at timestamptz;
