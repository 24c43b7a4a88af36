"""Child processes, for work that is not trusted with time, memory, files or secrets."""
