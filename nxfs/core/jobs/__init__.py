"""Work in the background: a table of jobs, and runners that take them from it."""
