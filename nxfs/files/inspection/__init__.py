"""What an uploaded file is and whether it is harmless; this runs in a child process with limits."""
