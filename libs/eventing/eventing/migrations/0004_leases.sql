-- Who works on what a reaction has to finish, and until when that counts without a further sign of life. `tries` says
-- how often it was begun; `holder` is null between two tries.
CREATE TABLE leases (
    reaction text        NOT NULL,
    work     uuid        NOT NULL,
    holder   uuid,
    until    timestamptz NOT NULL,
    tries    int         NOT NULL,
    PRIMARY KEY (reaction, work)
);
