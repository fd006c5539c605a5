"""Comparators: what each key of an output's rule (output_rule.py) says of two arrays of one dtype and shape."""
