"""Files that clients download and upload."""
