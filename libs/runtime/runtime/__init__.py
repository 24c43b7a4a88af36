"""Building blocks of every process: settings, logs, health, the bus, files."""
