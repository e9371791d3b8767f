"""Files that other programs and the field's challenges write and read."""
