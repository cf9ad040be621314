"""Where the bytes of files are kept: a local directory or an S3-compatible bucket, behind one interface."""
