-- Sessions are counted by eventing's `count_rows`, as every service counts rows. It counts anew those that are there.
DROP TRIGGER count_session ON sessions;
DROP TRIGGER total_sessions ON sessions;
DROP FUNCTION count_session, total_sessions, slot_of_totals;
DROP TABLE session_counts, session_totals;

SELECT count_rows('sessions', 'session_counts', '{user_id, status, mode}');
SELECT count_rows('sessions', 'session_totals', '{status}');
