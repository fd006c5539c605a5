"""Rules by id: what compatibility and lint look for, how much it matters, and why. Data, without code that looks."""
