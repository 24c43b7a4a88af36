"""The row of a session, as queries read it, and as the append that creates the session returns it."""

WHOLE = """*,
    (SELECT template_id FROM session_origins o WHERE o.session_id = sessions.id) AS template_id,
    (SELECT role FROM accounts a WHERE a.user_id = sessions.user_id) AS owner_role"""
