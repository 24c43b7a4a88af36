"""Opening, reading and erasing files safely in folders that untrusted processes can write to at the same time."""
