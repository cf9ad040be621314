"""Wire forms of administration."""
