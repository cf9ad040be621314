"""Writes of notifications and of the wishes for them."""
