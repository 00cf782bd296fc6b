"""Measured figures: ``python -m tests.benchmarks`` prints medians and ratios, taken side by side in one run."""
