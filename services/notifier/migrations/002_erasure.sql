-- What somebody wrote (why, what for, in which words a source states a status) beside the line that it belongs to. The line has a mark in
-- its place and, inside its own hash, a salted hash of it: without text and salt the chain holds as before, and nothing can be guessed.
CREATE TABLE timeline_texts (
    complaint_id uuid NOT NULL,
    number       int NOT NULL,
    salt         bytea NOT NULL,
    text         text NOT NULL,              -- JSON: the line's words, and the fact's own
    PRIMARY KEY (complaint_id, number)
);
ALTER TABLE timeline ADD COLUMN text_sha bytea;

-- A text goes only with an erasure that is written down; a changed one would not fit its line.
CREATE FUNCTION keep_texts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF EXISTS (SELECT FROM jalur.erasures WHERE complaint_id = OLD.complaint_id) THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'a text of the timeline goes only by an erasure' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER texts_are_kept BEFORE UPDATE OR DELETE ON timeline_texts FOR EACH ROW EXECUTE FUNCTION keep_texts();
CREATE TRIGGER texts_are_not_emptied BEFORE TRUNCATE ON timeline_texts FOR EACH STATEMENT EXECUTE FUNCTION keep_texts();

-- What was written up to then is erased: a repeat from Kafka brings none of it back.
ALTER TABLE cases ADD COLUMN erased_at timestamptz;
