"""Secret values, sealed with the data key of their aggregate."""
