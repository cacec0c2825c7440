"""Benchmarks, each one command: `bin/bench NAME`. README.md says what each measures."""
