"""A model endpoint that plays scripted turns: local runs and tests without a key."""
