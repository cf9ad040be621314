"""Commands of the operator, each a thin layer over service functions."""
