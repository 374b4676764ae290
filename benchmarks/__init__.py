"""What measures speed and memory; `make bench` runs it and rewrites benchmarks/README.md."""
