"""Measurements of speed and durability against the real server, on both engines."""
