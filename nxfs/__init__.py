"""The NXFS backend: accounts, tasks and everything that the NXFS front end works with."""
