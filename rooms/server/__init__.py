"""The process `rooms`: who may come in (sessions, authorisation), connections, and the files behind the rooms."""
