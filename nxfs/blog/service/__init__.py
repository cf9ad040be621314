"""Writes of posts, tags and the media library."""
