-- A report that came back from Kafka after a restore: masked, without who reported. It becomes whole again when its source repeats it.
ALTER TABLE reports ADD COLUMN is_masked boolean NOT NULL DEFAULT false;
