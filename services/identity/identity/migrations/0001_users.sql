CREATE TABLE users (
    id            uuid        PRIMARY KEY,
    email         text        NOT NULL,
    username      text        NOT NULL,
    full_name     text,
    role          text        NOT NULL,
    is_active     bool        NOT NULL DEFAULT true,
    created_at    timestamptz NOT NULL,
    last_login_at timestamptz,
    CONSTRAINT users_email UNIQUE (email)
);
CREATE UNIQUE INDEX users_username ON users (lower(username));
CREATE INDEX users_admins ON users (id) WHERE role = 'admin';
