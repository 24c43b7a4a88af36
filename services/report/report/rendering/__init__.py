"""Rendering of a report's content into the four formats. Nothing here performs network I/O.

The service imports only small modules of it; a child process imports the libraries.
"""
