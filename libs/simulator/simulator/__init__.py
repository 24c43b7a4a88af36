"""A model endpoint that plays scripted turns, for local runs and tests without an API key."""
