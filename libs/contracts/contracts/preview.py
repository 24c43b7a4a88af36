"""How much of a large value is shown where there are many: in lists and in streams. Alone, a value is shown whole."""

LARGEST_SHOWN = 16 * 1024
"""Bytes of a value that is shown whole; a page of such values is below what the bus carries."""
PREVIEW = 1000
"""Characters that are shown of a value that is larger."""
