"""Debian's Firefox, driven over WebDriver BiDi (w3c.github.io/webdriver-bidi): playwright drives none but its own."""

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from .site import wait_for

PROGRAM = shutil.which("firefox-esr") or shutil.which("firefox")
"""None where it is not installed."""
PATIENCE = 180.0
"""Seconds for a page to show something, or for the browser to answer."""
KEYS = {"Enter": "\ue007", "Control": "\ue009", "End": "\ue010", "Escape": "\ue00c"}
"""Of WebDriver (w3c.github.io/webdriver/#keyboard-actions)."""
PREFERENCES = """
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("app.update.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
"""


class BidiError(Exception):
    """The browser refused a command."""


class Firefox:
    """One browser; each person has a window of their own, with cookies of their own."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self._number = 0
        self.version = self.ask("session.new", capabilities={})["capabilities"]["browserVersion"]

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command. BidiError, TimeoutError."""
        self._number += 1
        self.socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        deadline = time.monotonic() + PATIENCE
        while True:
            answer = json.loads(self.socket.recv(timeout=max(0.0, deadline - time.monotonic())))
            if answer.get("id") != self._number:
                continue
            if answer["type"] == "error":
                raise BidiError(f"{method}: {answer['error']}: {answer['message']}")
            result: dict[str, Any] = answer["result"]
            return result

    def window(self) -> "FirefoxWindow":
        """A window of somebody new."""
        user = self.ask("browser.createUserContext")["userContext"]
        context = self.ask("browsingContext.create", type="window", userContext=user)["context"]
        self.ask("browsingContext.setViewport", context=context, viewport={"width": 1280, "height": 860})
        return FirefoxWindow(self, user, context)


class FirefoxWindow:
    """One page."""

    def __init__(self, browser: Firefox, user: str, context: str) -> None:
        self.browser, self.user, self.context = browser, user, context

    def set_cookie(self, name: str, value: str, domain: str) -> None:
        """For a host."""
        cookie = {"name": name, "value": {"type": "string", "value": value}, "domain": domain, "path": "/"}
        partition = {"type": "storageKey", "userContext": self.user}
        self.browser.ask("storage.setCookie", cookie=cookie, partition=partition)

    def go(self, address: str) -> None:
        """Navigate, and wait for the page itself."""
        self.browser.ask("browsingContext.navigate", context=self.context, url=address, wait="interactive")

    def evaluate(self, expression: str) -> Any:
        """The value of an expression of JavaScript, which can be JSON. BidiError where it throws."""
        asked = {"expression": f"JSON.stringify({expression})", "target": {"context": self.context}}
        answer = self.browser.ask("script.evaluate", **asked, awaitPromise=True)
        if answer["type"] == "exception":
            raise BidiError(answer["exceptionDetails"]["text"])
        return json.loads(answer["result"]["value"]) if answer["result"]["type"] == "string" else None

    def wait_for(self, expression: str, otherwise: str) -> None:
        """Until it is true."""
        try:
            wait_for(lambda: self._is_true(expression), PATIENCE, otherwise)
        except AssertionError as error:
            shown = self.evaluate("location.href + '\\n' + document.body.innerText.slice(0, 1000)")
            raise AssertionError(f"{error}: {shown}") from error

    def _is_true(self, expression: str) -> bool:
        try:
            return bool(self.evaluate(f"Boolean({expression})"))
        except BidiError:  # between two pages
            return False

    def click(self, selector: str) -> None:
        """In the middle of the first element that matches."""
        at = f"(({selector!r}), document.querySelector({selector!r}).getBoundingClientRect())"
        box = self.evaluate(at)
        x, y = (round(box[start] + box[size] / 2) for start, size in (("x", "width"), ("y", "height")))
        moves = [{"type": "pointerMove", "x": x, "y": y}]
        moves += [{"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp")]
        self._act({"type": "pointer", "id": "mouse", "actions": moves})

    def type(self, text: str) -> None:
        """Into what has the keyboard."""
        keys = [{"type": kind, "value": letter} for letter in text for kind in ("keyDown", "keyUp")]
        self._act({"type": "key", "id": "keyboard", "actions": keys})

    def press(self, *names: str) -> None:
        """Keys together, such as Control and Enter."""
        down = [{"type": "keyDown", "value": KEYS[name]} for name in names]
        up = [{"type": "keyUp", "value": KEYS[name]} for name in reversed(names)]
        self._act({"type": "key", "id": "keyboard", "actions": down + up})

    def _act(self, source: dict[str, Any]) -> None:
        self.browser.ask("browsingContext.activate", context=self.context)  # of several windows one has the keyboard
        self.browser.ask("input.performActions", context=self.context, actions=[source])

    def set_offline(self, is_offline: bool) -> None:
        """Of this page alone."""
        conditions = {"type": "offline"} if is_offline else None
        self.browser.ask("emulation.setNetworkConditions", networkConditions=conditions, contexts=[self.context])


@contextmanager
def firefox() -> Iterator[Firefox]:
    """A headless browser with a new profile."""
    assert PROGRAM
    with tempfile.TemporaryDirectory(prefix="firefox-", ignore_cleanup_errors=True) as place:
        (Path(place) / "user.js").write_text(PREFERENCES)
        log = Path(place) / "log"
        command = [PROGRAM, "--headless", "--no-remote", "--profile", place, "--remote-debugging-port", "0"]
        with log.open("wb") as written:
            process = subprocess.Popen(
                [*command, "about:blank"], stdout=written, stderr=written, env={"HOME": place, "MOZ_HEADLESS": "1"}
            )
        try:
            with connect(_address(process, log), max_size=None, open_timeout=PATIENCE, legacy=True) as socket:
                yield Firefox(socket)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(20)


def _address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    said = "WebDriver BiDi listening on "

    def is_ready() -> bool:
        assert process.poll() is None, log.read_text(errors="replace")
        return any(line.startswith(said) for line in log.read_text(errors="replace").splitlines()[:-1])

    wait_for(is_ready, PATIENCE, "Firefox does not listen")
    [line] = [line for line in log.read_text(errors="replace").splitlines() if line.startswith(said)]
    return f"{line.removeprefix(said).strip()}/session"
