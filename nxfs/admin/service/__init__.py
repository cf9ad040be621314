"""Changes that administrators make to users and groups."""
