"""Where the bytes of versions' files are kept, by their sha256."""
