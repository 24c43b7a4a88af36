"""Secrets: keys, their encryption, and their redaction in what operators read."""
