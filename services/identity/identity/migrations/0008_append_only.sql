-- The role of the service, if it does not own the audit log, can neither change nor delete entries. The triggers hold for
-- the owner, too.
INSERT INTO privileges VALUES ('audit_log', '{SELECT,INSERT}');
