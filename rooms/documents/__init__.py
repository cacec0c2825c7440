"""Shared documents (CRDT) and the bytes of files: reading, rendering, and changing in the smallest steps."""
