"""What markers and contract files assert. Each assertion gives the text of its failure, or None where it holds."""
