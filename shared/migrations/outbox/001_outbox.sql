-- Events stored in the transaction of the state they speak of; the relay sends them and deletes them after Kafka's acknowledgement.
CREATE TABLE outbox (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic      text NOT NULL,
    key        bytea NOT NULL,
    headers    text NOT NULL,
    value      bytea NOT NULL,
    stored_at  timestamptz NOT NULL DEFAULT now()
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);

-- What Kafka refused for good. A row here holds back the later events of its own complaint only.
CREATE TABLE outbox_failed (
    id         bigint PRIMARY KEY,
    topic      text NOT NULL,
    key        bytea NOT NULL,
    headers    text NOT NULL,
    value      bytea NOT NULL,
    stored_at  timestamptz NOT NULL,
    failed_at  timestamptz NOT NULL DEFAULT now(),
    error      text NOT NULL
);
CREATE INDEX outbox_failed_key ON outbox_failed (key);
