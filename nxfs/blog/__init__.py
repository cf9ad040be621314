"""The blog: posts, tags and the media library."""
