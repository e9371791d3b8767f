"""Building a database: what several annotators said, how they agree, and one truth from it."""
