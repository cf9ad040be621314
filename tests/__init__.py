"""Tests: in-process ones on both engines, and some against the real server process."""
