-- The state of an aggregate after its event number `version`: a load reads it and the events behind it. Nothing is lost
-- with a row. `fingerprint` stands for the code that folded it; other code reads the events instead.
CREATE TABLE snapshots (
    originator_id uuid  PRIMARY KEY,
    version       int   NOT NULL,
    fingerprint   text  NOT NULL,
    state         bytea NOT NULL
);
