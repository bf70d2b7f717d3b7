"""What the goals of speed and memory are measured by; `python -m tests.benchmarks` runs them."""
