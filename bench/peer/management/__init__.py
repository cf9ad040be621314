"""The peer's own commands."""
