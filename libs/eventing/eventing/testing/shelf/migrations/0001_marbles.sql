-- Without a key that would hide a marble which is written down twice.
CREATE TABLE marbles (
    n      int  GENERATED ALWAYS AS IDENTITY,
    colour text NOT NULL
);
