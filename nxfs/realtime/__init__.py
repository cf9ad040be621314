"""Delivery: what happened is pushed to Socket.IO clients and event streams, and who is there is shown."""
