"""Prompts: rendered from the users' templates, in child processes. `child.py` imports from here, so this is empty."""
