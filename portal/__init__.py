"""The core that every other app stands on.

Nothing is imported here: the Lab's supervisor uses `portal.ops.logs` and `portal.file_lock` alone.
"""
