"""A room: one shared document of one file, its clients, its journal and its saves. No Django, no network."""
