"""Changes to stored files: the only code that writes them."""
