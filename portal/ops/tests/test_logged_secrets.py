"""What must not get into a log that others read: the first password, and mails with their addresses and links."""

import os
import subprocess
import sys
import time
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from django.conf import settings


@pytest.fixture
def up(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program bin/up, of a site that answers."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader = SourceFileLoader("up", str(settings.BASE_DIR / "bin/up"))
    spec = spec_from_loader("up", loader)
    assert spec
    module = module_from_spec(spec)
    loader.exec_module(module)
    monkeypatch.setattr(module, "answers", lambda *_: True)
    return module


@pytest.mark.parametrize("terminal", [True, False])
def test_the_first_password_is_shown_at_a_terminal_alone(
    up: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], terminal: bool
) -> None:
    (tmp_path / "first-password").write_text("sesame\n")
    os.utime(tmp_path / "first-password", (time.time() + 60,) * 2)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    installation = SimpleNamespace(var=tmp_path, make_science=lambda *_, **__: None)
    up.announce(installation, {"PORTAL_URL": "http://localhost:8000"}, sys.executable)
    said = capsys.readouterr().out
    assert ("sesame" in said) is terminal
    assert str(tmp_path / "first-password") in said


@pytest.mark.slow
def test_without_a_mail_server_mails_are_files_that_the_account_alone_reads(tmp_path: Path) -> None:
    code = (
        "import os; os.umask(0o077); import django; django.setup();"
        "from django.core.mail import send_mail;"
        "send_mail('Reset', 'https://portal/key', None, ['ada@example.org'])"
    )
    environment = {name: value for name, value in os.environ.items() if name != "EMAIL_URL"}
    environment |= {"COLLABORATORY_VAR": str(tmp_path), "DRIVE_ROOT": str(tmp_path / "drive")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert "ada@" not in done.stdout + done.stderr
    assert "https://portal/key" not in done.stdout + done.stderr
    (mail,) = (tmp_path / "mail").iterdir()
    assert "ada@example.org" in mail.read_text()
    assert [path.stat().st_mode & 0o077 for path in (mail, mail.parent)] == [0, 0]
