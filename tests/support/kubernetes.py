"""A Kubernetes that has only what KubeSpawner asks for: its API server, and pods that are processes of this machine.

It keeps what it was sent, to be held against the schemas that Kubernetes publishes.
"""

import json
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

LOOK_SECONDS = 0.1
KINDS = {"pods": "Pod", "persistentvolumeclaims": "PersistentVolumeClaim", "events": "Event"}
GRACE_SECONDS = 20


class Cluster:
    """Objects by kind and name; `changes` is the log that a watch is answered from."""

    def __init__(self, directory: Path, program: Path) -> None:
        """`program` is what the image of a pod would start."""
        self.directory, self.program = directory, program
        self.sent: list[dict[str, Any]] = []
        self.objects: dict[str, dict[str, dict[str, Any]]] = {plural: {} for plural in KINDS}
        self.changes: list[tuple[str, str, dict[str, Any]]] = []
        self.processes: dict[str, subprocess.Popen] = {}
        self.changed = threading.Condition()

    def note(self, plural: str, change: str, found: dict[str, Any]) -> None:
        with self.changed:
            found["metadata"]["resourceVersion"] = str(len(self.changes) + 1)
            self.changes.append((plural, change, json.loads(json.dumps(found))))
            self.changed.notify_all()

    def create(self, namespace: str, plural: str, found: dict[str, Any]) -> dict[str, Any]:
        self.sent.append(json.loads(json.dumps(found)))
        found["metadata"] |= {"namespace": namespace, "uid": str(uuid.uuid4())}
        found["metadata"].setdefault("creationTimestamp", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
        self.objects[plural][found["metadata"]["name"]] = found
        if plural == "pods":
            self._run(found)
        self.note(plural, "ADDED", found)
        return found

    def _run(self, pod: dict[str, Any]) -> None:
        """At an address of loopback that is the pod's own, as each pod has the port to itself."""
        [container] = pod["spec"]["containers"]
        name, number = pod["metadata"]["name"], len(self.sent)
        address = f"127.77.{number // 250}.{number % 250 + 1}"
        home = self.directory / name
        home.mkdir(exist_ok=True)
        environment = {one["name"]: one["value"] for one in container["env"]}
        listens = environment["JUPYTERHUB_SERVICE_URL"].replace("0.0.0.0", address)
        environment |= {"JUPYTERHUB_SERVICE_URL": listens, "HOME": str(home), "PATH": "/usr/bin:/bin"}
        with (home / "log").open("wb") as log:
            self.processes[name] = subprocess.Popen([self.program], env=environment, cwd=home, stdout=log, stderr=log)
        ready = {
            "name": container["name"],
            "ready": True,
            "restartCount": 0,
            "image": container["image"],
            "imageID": "",
        }
        ready["state"] = {"running": {"startedAt": pod["metadata"]["creationTimestamp"]}}
        pod["status"] = {"phase": "Running", "podIP": address, "containerStatuses": [ready]}

    def delete(self, plural: str, name: str) -> dict[str, Any] | None:
        found = self.objects[plural].pop(name, None)
        if found is None:
            return None
        if name in self.processes:
            end(self.processes.pop(name))
        self.note(plural, "DELETED", found)
        return found

    def write_config(self, port: int) -> Path:
        """The file that KUBECONFIG names."""
        known = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "c",
        }
        path = self.directory / "kubeconfig"
        path.write_text(json.dumps(known))
        return path

    def write_sent(self) -> list[Path]:
        """All that was sent, a file each, without what the API adds."""
        paths = []
        for number, found in enumerate(self.sent):
            paths.append(self.directory / f"{number}-{found['kind']}.yaml")
            paths[-1].write_text(yaml.safe_dump(found))
        return paths


def end(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class _Handler(BaseHTTPRequestHandler):
    """`/api/v1/namespaces/<one>/<plural>[/<name>]`, list, watch, create, read, delete."""

    cluster: Cluster

    def log_message(self, *_: object) -> None:
        """Silent."""

    def _asked(self) -> tuple[str, str, dict[str, str]]:
        parts = urlsplit(self.path)
        words = parts.path.split("/")[5:]
        return words[0], words[1] if len(words) > 1 else "", {k: v[0] for k, v in parse_qs(parts.query).items()}

    def _answer(self, status: int, found: dict[str, Any]) -> None:
        body = json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _missing(self) -> None:
        self._answer(
            404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
        )

    def do_POST(self) -> None:
        plural, _, _ = self._asked()
        self._answer(
            201,
            self.cluster.create(
                self.path.split("/")[4], plural, json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            ),
        )

    def do_DELETE(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        plural, name, _ = self._asked()
        found = self.cluster.delete(plural, name)
        self._answer(200, found) if found else self._missing()

    def do_GET(self) -> None:
        plural, name, query = self._asked()
        if query.get("watch") in ("true", "True", "1"):
            self._watch(plural, int(query.get("resourceVersion") or 0), float(query.get("timeoutSeconds") or 10))
        elif name:
            found = self.cluster.objects[plural].get(name)
            self._answer(200, found) if found else self._missing()
        else:
            version = {"resourceVersion": str(len(self.cluster.changes))}
            items = list(self.cluster.objects[plural].values())
            self._answer(200, {"kind": f"{KINDS[plural]}List", "apiVersion": "v1", "metadata": version, "items": items})

    def _watch(self, plural: str, seen: int, seconds: float) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with self.cluster.changed:
                if len(self.cluster.changes) == seen:
                    self.cluster.changed.wait(LOOK_SECONDS)
                new = self.cluster.changes[seen:]
            seen += len(new)
            for of, change, found in new:
                if of == plural:
                    self.wfile.write(json.dumps({"type": change, "object": found}).encode() + b"\n")
                    self.wfile.flush()


@contextmanager
def kubernetes(directory: Path, program: Path) -> Iterator[tuple[Cluster, Path]]:
    """A running one, with the file that says where it is."""
    cluster = Cluster(directory, program)
    handler = type("Handler", (_Handler,), {"cluster": cluster})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield cluster, cluster.write_config(server.server_port)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        for process in cluster.processes.values():
            end(process)
