"""Core of the site, which all other apps build on: accounts, settings, audit trail, pages, operations.

Nothing is imported here: the Lab's supervisor imports `portal.ops.logs` and `portal.file_lock` alone.
"""
