-- Run once, by the server's superuser, in an empty database named jalur: the official image does so from /docker-entrypoint-initdb.d,
-- anyone else with: SECRETS=/path/of/verifiers psql -v ON_ERROR_STOP=1 -d jalur -f 10-roles.sql
--
-- `jalur_owner` owns every table and makes them (`jalur migrate`, which also gives the services' roles their rights on each); it is no
-- superuser. A service's role owns nothing: it works with the rows of its own schema, reads the clock, and finds nothing of the others.
-- Passwords come as verifiers
-- (`python -m deploy.secrets`), so that neither this session nor the server's log ever holds one.

\set ON_ERROR_STOP on
\set owner `cat "${SECRETS:-/secrets}/owner-verifier"`
\set intake `cat "${SECRETS:-/secrets}/intake-verifier"`
\set router `cat "${SECRETS:-/secrets}/router-verifier"`
\set notifier `cat "${SECRETS:-/secrets}/notifier-verifier"`

BEGIN;
SET LOCAL log_statement = 'none';

CREATE ROLE jalur_owner LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD :'owner';
CREATE ROLE jalur_intake LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS NOINHERIT CONNECTION LIMIT 60 PASSWORD :'intake';
CREATE ROLE jalur_router LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS NOINHERIT CONNECTION LIMIT 60 PASSWORD :'router';
CREATE ROLE jalur_notifier LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS NOINHERIT CONNECTION LIMIT 60 PASSWORD :'notifier';

-- Nothing is anybody's by default: neither the database nor `public`.
REVOKE ALL ON DATABASE jalur FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT CONNECT ON DATABASE jalur TO jalur_owner;
GRANT CONNECT ON DATABASE jalur TO jalur_intake, jalur_router, jalur_notifier;

CREATE SCHEMA jalur AUTHORIZATION jalur_owner;
CREATE SCHEMA intake AUTHORIZATION jalur_owner;
CREATE SCHEMA router AUTHORIZATION jalur_owner;
CREATE SCHEMA notifier AUTHORIZATION jalur_owner;
GRANT USAGE ON SCHEMA jalur TO jalur_intake, jalur_router, jalur_notifier;
GRANT USAGE ON SCHEMA intake TO jalur_intake;
GRANT USAGE ON SCHEMA router TO jalur_router;
GRANT USAGE ON SCHEMA notifier TO jalur_notifier;

-- `pg_temp` last: a temporary table must never stand in for one of ours.
ALTER ROLE jalur_owner SET search_path = jalur, pg_temp;
ALTER ROLE jalur_intake SET search_path = intake, jalur, pg_temp;
ALTER ROLE jalur_router SET search_path = router, jalur, pg_temp;
ALTER ROLE jalur_notifier SET search_path = notifier, jalur, pg_temp;

-- What the owner makes is nobody else's until `jalur migrate` or `jalur access apply` says whose (`shared/access.py`).
ALTER DEFAULT PRIVILEGES FOR ROLE jalur_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

COMMIT;
