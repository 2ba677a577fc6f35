"""C99 sources that firmware links: data for the compiler, nothing to import."""
