"""Reads of the server itself."""
