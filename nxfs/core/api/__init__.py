"""How requests are read, answered and documented: schemas, fields, parser, blueprint."""
