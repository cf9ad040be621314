"""Accounts: users, sessions, tokens, and the guards that other domains put before their routes."""
