"""`/rest/v1/`: the EBRAINS Collab API, for the scripts that exist for it. Everything new belongs into `/api/v1/`."""
