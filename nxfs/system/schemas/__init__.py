"""Wire forms of the server itself."""
