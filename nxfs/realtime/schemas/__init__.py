"""Wire forms of what is pushed, of what clients send over sockets, and of presence."""
