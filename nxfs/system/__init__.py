"""The server itself: its jobs and its schedule."""
