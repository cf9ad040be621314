"""Notifications: what a user is told of, stored until it is read and for a while after. They know no domain."""
