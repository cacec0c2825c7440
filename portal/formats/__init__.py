"""Date formats of pages that do not choose one."""
