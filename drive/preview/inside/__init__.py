"""Programs without Django, which run in processes of their own: `render` in the sandbox, `colour` beside it."""
