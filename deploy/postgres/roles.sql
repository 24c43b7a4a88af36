-- Runs once, when the database is empty: one role owns the tables, and services use the other one.
\set owner `cat /run/secrets/database-owner-password`
\set service `cat /run/secrets/database-service-password`
CREATE ROLE agentapi LOGIN PASSWORD :'owner';
CREATE ROLE agentapi_service LOGIN PASSWORD :'service';
CREATE DATABASE agentapi OWNER agentapi;
-- The superuser connects only from inside the container.
ALTER ROLE postgres PASSWORD NULL;
