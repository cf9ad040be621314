"""Reads of posts, tags and the media library."""
