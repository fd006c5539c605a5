"""What the plugin costs, as ratios against a baseline in the same run: `make bench`, docs/benchmarks.md."""
