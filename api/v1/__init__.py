"""`/api/v1/`: the site for programs."""
