"""A person at the site's door: a browser's HTTP without a browser, through the real proxy."""

import itertools
import json
import uuid
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any
from urllib.parse import quote

import requests
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from playwright.sync_api import BrowserContext
from websockets.sync.client import ClientConnection, connect

from lab.models import Server, State, StopReason
from lab.servers.services import request_server, stop_server
from portal.models import User

from .site import wait_for

LAUNCH_SECONDS = 90

_numbers = itertools.count(1)


def new_name(name: str) -> str:
    """A username that nobody had on this site, also at the second try of a test that failed."""
    return f"{name}{next(_numbers)}"


@dataclass
class Result:
    """What a cell did."""

    text: str = ""
    """stdout, stderr and results."""
    error: str = ""
    """Name and text of the exception; empty when there was none."""
    traceback: list[str] = field(default_factory=list)


class Person:
    """Somebody with an account, signed in."""

    def __init__(self, user: User) -> None:
        self.user = user
        self.session = requests.Session()
        self.session_key = self._sign_in()
        self.session.cookies.set(settings.SESSION_COOKIE_NAME, self.session_key, domain="localhost.local", path="/")
        self.origin = f"http://{user.username}.{settings.LAB_DOMAIN}"

    def _sign_in(self) -> str:
        session = import_module(settings.SESSION_ENGINE).SessionStore()
        session[SESSION_KEY] = str(self.user.pk)
        session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
        session[HASH_SESSION_KEY] = self.user.get_session_auth_hash()
        session.create()
        key = session.session_key or ""
        UserSession.objects.create(user=self.user, session_key=key, ip="127.0.0.1", user_agent="test")
        return key

    def sign_in_at(self, context: BrowserContext) -> None:
        """Be signed in at a browser, too."""
        name = settings.SESSION_COOKIE_NAME
        context.add_cookies([{"name": name, "value": self.session_key, "url": settings.PORTAL_URL}])

    # The portal

    def get(self, path: str, **options: Any) -> requests.Response:
        """A page of the portal."""
        return self.session.get(f"{settings.PORTAL_URL}{path}", timeout=60, **options)

    def submit(self, page: str, action: str, form: dict[str, str]) -> requests.Response:
        """Send a form as the page that holds it would."""
        text = self.get(page).text
        token = text.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
        headers = {"Referer": f"{settings.PORTAL_URL}{page}", "Sec-Fetch-Site": "same-origin"}
        headers |= {"Sec-Fetch-Mode": "navigate"}
        data = form | {"csrfmiddlewaretoken": token}
        return self.session.post(f"{settings.PORTAL_URL}{action}", data=data, headers=headers, timeout=60)

    # The Lab

    def server(self) -> Server:
        """The person's latest server."""
        return Server.objects.filter(owner=self.user).latest("requested_at")

    def launch(self) -> Server:
        """Start the Lab and wait until it runs."""
        request_server(self.user, self.user)
        wait_for(lambda: self.server().state in (State.RUNNING, State.FAILED), LAUNCH_SECONDS, "the Lab did not start")
        server = self.server()
        assert server.state == State.RUNNING, (server.error, server.log_tail)
        self.enter()
        return server

    def leave(self) -> None:
        """Stop the Lab and wait until it is gone."""
        stop_server(None, self.server(), StopReason.OPERATOR)
        wait_for(lambda: self.server().state == State.STOPPED, LAUNCH_SECONDS, "the Lab did not stop")

    def have_pass(self) -> None:
        """Be let in at the Lab's origin; whether a Lab runs makes no difference."""
        self._navigate("/")

    def enter(self, path: str = "/api/status") -> requests.Response:
        """Go to the Lab's origin as a browser navigates: through ticket and pass."""
        answer = self._navigate(path)
        assert answer.url.startswith(self.origin), f"ended at {answer.url}: {answer.status_code}"
        return answer

    def _navigate(self, path: str) -> requests.Response:
        navigation = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "none"}
        answer = self.session.get(f"{self.origin}{path}", headers=navigation, timeout=60)
        if "Refresh" in answer.headers:
            answer = self.session.get(answer.headers["Refresh"].partition("url=")[2], headers=navigation, timeout=60)
        return answer

    def lab(self, method: str, path: str, **options: Any) -> requests.Response:
        """A request of JupyterLab's own pages."""
        headers = {"Origin": self.origin, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
        return self.session.request(method, f"{self.origin}{path}", headers=headers, timeout=120, **options)

    def contents(self, place: str) -> requests.Response:
        """What JupyterLab's file browser sees at `~/drive/<place>`."""
        return self.lab("GET", f"/api/contents/drive/{quote(place)}?content=1")

    def kernel(self, place: str = "") -> "Kernel":
        """A new kernel, working in `~/<place>`."""
        answer = self.lab("POST", "/api/kernels", json={"name": "python3", "path": place})
        assert answer.status_code == 201, answer.text
        return Kernel(self, answer.json()["id"])

    def end_kernels(self) -> None:
        """End all kernels, with what they hold, and wait until they are gone."""
        for kernel in self.lab("GET", "/api/kernels").json():
            self.lab("DELETE", f"/api/kernels/{kernel['id']}")
        wait_for(lambda: not self.lab("GET", "/api/kernels").json(), 30, "kernels go on")

    def cookies(self) -> str:
        """The Cookie header for the Lab's origin."""
        request = requests.Request("GET", f"{self.origin}/")
        return self.session.prepare_request(request).headers.get("Cookie", "")


class Kernel:
    """A kernel of somebody's, over its WebSocket (jupyter-client.readthedocs.io, "Messaging in Jupyter")."""

    def __init__(self, person: Person, kernel_id: str) -> None:
        self.person = person
        self.id = kernel_id
        self.socket = self.connect()

    def connect(self) -> ClientConnection:
        address = self.person.origin.replace("http", "ws", 1)
        return connect(  # type: ignore[call-overload]  # Origin is a NewType of str
            f"{address}/api/kernels/{self.id}/channels",
            additional_headers={"Cookie": self.person.cookies()},
            origin=self.person.origin,
            max_size=None,
            open_timeout=30,
            legacy=True,
        )

    def run(self, code: str, seconds: float = 60) -> Result:
        """Run a cell and wait for its end."""
        message = self.begin(code)
        result = Result()
        while True:
            answer = json.loads(self.socket.recv(timeout=seconds))
            if answer["parent_header"].get("msg_id") != message:
                continue
            content = answer["content"]
            match answer["msg_type"]:
                case "stream":
                    result.text += content["text"]
                case "execute_result":
                    result.text += content["data"]["text/plain"]
                case "error":
                    result.error = f"{content['ename']}: {content['evalue']}"
                    result.traceback = content["traceback"]
                case "status" if content["execution_state"] == "idle":
                    return result

    def begin(self, code: str, *, asks: bool = False) -> str:
        """Send a cell, which may ask for input, and do not wait; returns the message's id."""
        content = {"code": code, "silent": False, "store_history": False, "allow_stdin": asks}
        return self.send("execute_request", content)

    def until(self, kind: str, seconds: float = 60) -> dict[str, Any]:
        """Wait for a message of a kind, and drop those before it."""
        while (answer := json.loads(self.socket.recv(timeout=seconds)))["msg_type"] != kind:
            pass
        found: dict[str, Any] = answer
        return found

    def send(self, kind: str, content: dict[str, Any], channel: str = "shell") -> str:
        """A request; returns its id."""
        message = uuid.uuid4().hex
        header = {"msg_id": message, "msg_type": kind, "session": self.id, "username": "", "version": "5.3"}
        frame = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": channel}
        self.socket.send(json.dumps(frame))
        return message
