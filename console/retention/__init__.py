"""Retention: which rows and files are kept for how long, the nightly removal of older ones, and the sizes of tables."""
