"""The kernel: errors, wire conventions, database, transactions. It knows no domain."""
