"""Tests of the server's own pages."""
