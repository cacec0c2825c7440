"""Upgrades of the database: a restore point before each, and the way back to it."""
