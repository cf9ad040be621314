"""Writes of accounts: registration and profiles, signing in, sessions and passwords.

Rows are locked in one order, so that no two transactions wait for each other: failed sign-ins, users, sessions and
reset links, refresh tokens.
"""
