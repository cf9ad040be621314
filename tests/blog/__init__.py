"""Tests of posts, tags, feeds and the media library."""
