"""Packages of the tests, installed in a cell."""

import base64
import io
import zipfile

from ..support.people import Kernel


def wheel(name: str) -> bytes:
    """A package of one module, so that the test needs no index."""
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": "answer = 42\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return buffer.getvalue()


def install(kernel: Kernel, name: str) -> None:
    """What somebody does in a cell."""
    encoded = base64.b64encode(wheel(name)).decode()
    path = f"/tmp/{name}-1.0-py3-none-any.whl"
    kernel.run(f"import base64; open({path!r}, 'wb').write(base64.b64decode({encoded!r}))")
    result = kernel.run(f"%pip install --no-index {path}", seconds=120)
    assert "Successfully installed" in result.text, result
