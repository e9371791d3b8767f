"""A real browser, and media made up for it to look at."""
