"""Variables of an activated environment in a Lab: a virtual environment, or a conda one.

Scripts of packages, which may add to it, are run in the sandbox only (inside/activation.py).
"""

from pathlib import Path


def is_conda(prefix: str) -> bool:
    """True for a conda environment: it has a record of installed packages, whoever made it."""
    return (Path(prefix) / "conda-meta").is_dir()


def variables(prefix: str) -> dict[str, str]:
    """Variables beside PATH. `conda install` without a name changes the environment at CONDA_PREFIX."""
    if not is_conda(prefix):
        return {"VIRTUAL_ENV": prefix}
    found = {"CONDA_PREFIX": prefix, "CONDA_SHLVL": "1", "CONDA_DEFAULT_ENV": prefix}
    if (Path(prefix) / "bin/conda").exists():  # then it is conda's own, which conda calls base
        found |= {"CONDA_DEFAULT_ENV": "base", "CONDA_EXE": f"{prefix}/bin/conda"}
        found |= {"CONDA_PYTHON_EXE": f"{prefix}/bin/python"}
    return found
