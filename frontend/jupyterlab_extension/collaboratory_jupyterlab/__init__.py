"""The Python package around the JupyterLab extension, for `jupyter-builder develop` and the wheel."""


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Where the built extension is, and the name JupyterLab knows it by."""
    return [{"src": "labextension", "dest": "collaboratory"}]
