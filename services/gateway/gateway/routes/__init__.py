"""The HTTP operations, in one module per subject."""
