"""Administration: users, groups, the audit log, and how the service is used."""
