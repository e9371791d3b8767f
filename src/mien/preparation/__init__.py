"""A database made ready once: each face found, aligned and packed, its labels and sound beside it."""
