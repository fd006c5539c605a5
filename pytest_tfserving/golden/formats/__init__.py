"""The kinds of golden files, each a reader of cases and a writer of recorded answers (format.py)."""
