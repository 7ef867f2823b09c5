-- A status is 2 kB and lives for a second: it stays in its row as it is, instead of being compressed and read back at once.
ALTER TABLE outbox SET (toast_tuple_target = 8160);
