CREATE TABLE jars (
    id      uuid PRIMARY KEY,
    label   text NOT NULL,
    marbles int  NOT NULL DEFAULT 0,
    CONSTRAINT jars_label UNIQUE (label)
);
