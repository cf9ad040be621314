"""Writes of accounts: registration and profiles, signing in, sessions and passwords."""
