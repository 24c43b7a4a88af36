"""The session service: sessions, their runs, and the agents that work on them."""
