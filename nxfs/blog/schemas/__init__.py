"""Wire forms of posts, tags and the media library."""
