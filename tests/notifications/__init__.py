"""Tests of notifications: what they are, and which domain tells whom of what."""
