-- The one clock: now() plus an offset that only a demo or a test may set. Each setting is kept with its real instant,
-- so that a broker's timestamp can be read as itself plus the offset then in force.

CREATE TABLE clock_is_settable (yes boolean PRIMARY KEY CHECK (yes));

CREATE TABLE clock_offsets (
    set_at timestamptz PRIMARY KEY DEFAULT clock_timestamp(),
    ahead  interval NOT NULL
);

-- A real instant (a broker's timestamp, say) as Jalur's time.
CREATE FUNCTION jalur_at(instant timestamptz) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT instant + coalesce(
        (SELECT ahead FROM jalur.clock_offsets WHERE set_at <= instant ORDER BY set_at DESC LIMIT 1), interval '0')
$$;

CREATE FUNCTION jalur_now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT jalur.jalur_at(now())
$$;

-- Moves the clock; it never goes back, because what has fired stays fired.
CREATE FUNCTION set_clock_offset(wanted interval) RETURNS timestamptz LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM jalur.clock_is_settable) THEN
        RAISE EXCEPTION 'this installation''s clock is real and cannot be set' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF wanted < coalesce((SELECT ahead FROM jalur.clock_offsets ORDER BY set_at DESC LIMIT 1), interval '0') THEN
        RAISE EXCEPTION 'the clock never goes back' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO jalur.clock_offsets (ahead) VALUES (wanted);
    RETURN clock_timestamp() + wanted;
END
$$;
