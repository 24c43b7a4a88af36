-- What the role of the service may do with a table, if that is not SELECT, INSERT, UPDATE and DELETE. After each
-- migration, the role that owns the tables grants it (`eventing.privileges`).
CREATE TABLE privileges (
    table_name text   PRIMARY KEY,
    granted    text[] NOT NULL
);
INSERT INTO privileges VALUES ('migrations', '{SELECT}'), ('privileges', '{SELECT}');
