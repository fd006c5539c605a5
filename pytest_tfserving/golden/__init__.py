"""Golden predictions: recorded requests with the answers that they must keep getting."""
