-- What a persistent reaction has to do: a row from the delivery of its event until it has succeeded, however long that
-- takes. `aggregate` has the event; nothing is tried before `due_at`. `repeated` says that it has succeeded once, and is
-- to be done once more.
CREATE TABLE persistent_work (
    reaction  text        NOT NULL,
    aggregate uuid        NOT NULL,
    due_at    timestamptz NOT NULL,
    repeated  boolean     NOT NULL DEFAULT false,
    PRIMARY KEY (reaction, aggregate)
);
