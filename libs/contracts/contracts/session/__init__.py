"""Sessions, their runs and their conversations."""
