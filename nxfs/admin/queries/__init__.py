"""Reads for administration."""
