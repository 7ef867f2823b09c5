"""The embedded stack: a real Kafka broker and a real PostgreSQL as child processes, on loopback, without Docker."""
