"""Kernels that are forked by a Lab's kernel server: as new processes are, and with nothing of anybody else."""

import ast
import contextlib
import json
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings

from drive.files import operations
from drive.models import Library
from lab.locations.paths import Location
from lab.models import State
from lab.servers.services import request_server

from ..support.jupyter_process import DESCRIPTORS, JUPYTER, SEARCH, hidden
from ..support.people import Kernel, Person
from ..support.site import Site, launched_by, wait_for

pytestmark = pytest.mark.sandbox


@pytest.fixture(autouse=True)
def by_fork(site: Site) -> Iterator[None]:
    with launched_by(site, "fork"):
        yield


@pytest.fixture
def someone(owner: Person) -> Person:
    """Whose Lab runs."""
    owner.launch()
    return owner


def value(kernel: Kernel, expression: str) -> Any:
    """Of something that can be written down."""
    result = kernel.run(f"print(repr({expression}))")
    assert not result.error, result.traceback
    return ast.literal_eval(result.text)


def is_forked(kernel: Kernel) -> bool:
    """Whether it comes from a kernel server; a new process has another command line."""
    words = value(kernel, "open('/proc/self/cmdline').read().split('\\0')")
    return "/run/lab/inside/fork_server.py" in words


NAME = "open(f'/proc/{__import__(\"os\").getppid()}/comm').read().strip()"


def test_it_is_forked(someone: Person) -> None:
    kernel = someone.kernel()
    assert is_forked(kernel)
    assert value(kernel, NAME) == "kernel-server"
    assert kernel.run("print(6 * 7)").text.strip() == "42"


FACTS = """
def facts():
    import asyncio, gc, locale, logging, os, re, resource, signal, stat, sys, threading, time, warnings
    import psutil
    def kind(fd):
        try:
            return re.sub("[0-9a-f]{32}", "N", os.readlink(f"/proc/self/fd/{fd}").split(":")[0])
        except OSError:
            return ""
    status = dict(l.split(":", 1) for l in open("/proc/self/status").read().splitlines())
    wanted = "CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs Uid Gid Groups Seccomp SigIgn SigCgt SigBlk".split()
    return {
        "variables": {k: v for k, v in os.environ.items() if not k.startswith("JPY_")},
        "path": sys.path,
        "arguments": [sys.argv[:-1], sys.orig_argv[:-1]],
        "interpreter": [sys.executable, sys.prefix, str(sys.flags), sys._xoptions, sys.warnoptions],
        "status": {k: status[k].split() for k in wanted},
        "name": status["Name"].strip(),
        "limits": {n: resource.getrlimit(getattr(resource, n)) for n in dir(resource) if n.startswith("RLIMIT_")},
        "place": [os.getcwd(), os.path.expanduser("~"), os.umask(0o022)],
        "leads": [os.getsid(0) == os.getpid(), os.getpgid(0) == os.getpid(), os.nice(0)],
        "standard": [kind(fd) for fd in range(3)],
        "others": sorted({kind(name) for name in os.listdir("/proc/self/fd") if int(name) > 2}),
        "namespaces": [os.readlink(f"/proc/self/ns/{n}") == os.readlink(f"/proc/1/ns/{n}") for n in ("mnt", "net")],
        "threads": sorted(type(t).__name__ for t in threading.enumerate()),
        "handlers": {s.name: str(signal.getsignal(s)).split(" at ")[0] for s in signal.Signals},
        "logging": [str(logging.getLogger().handlers), logging.getLogger().level],
        "locale": [locale.getlocale(), time.tzname, sys.getdefaultencoding(), sys.getfilesystemencoding()],
        "processor": psutil.cpu_times()._fields,
        "loop": type(asyncio.get_event_loop()).__name__,
        "collector": [gc.isenabled(), gc.get_threshold()],
        "warnings": len(warnings.filters),
        "main": [__name__, "__file__" in globals(), sys.modules["__main__"] is __import__("__main__")],
        "recursion": sys.getrecursionlimit(),
    }
"""
MODULES = "sorted({n.split('.')[0] for n in __import__('sys').modules})"


def test_it_is_as_a_new_process(site: Site, owner: Person) -> None:
    found, modules = {}, {}
    for way in ("fork", "exec"):
        with launched_by(site, way):
            owner.launch()
            kernel = owner.kernel()
            modules[way] = set(value(kernel, MODULES))
            assert not kernel.run(FACTS).error
            found[way] = value(kernel, "facts()")
            assert is_forked(kernel) == (way == "fork")
            owner.leave()
    different = {what: (found["fork"][what], new) for what, new in found["exec"].items() if found["fork"][what] != new}
    assert not different
    assert modules["exec"] - modules["fork"] <= RUN_AS_MODULE
    more = modules["fork"] - modules["exec"] - sys.stdlib_module_names
    assert not more, "somebody's own modules may have the names of ours, or of Jupyter's"


RUN_AS_MODULE = {"runpy"}
"""What `python -m` imports."""

ASYNC = """
import anyio, asyncio
async def task():
    return asyncio.current_task() is not None and await anyio.to_thread.run_sync(lambda: 6 * 7)
found = await task(), await asyncio.create_task(task())
"""


def test_it_runs_coroutines(someone: Person) -> None:
    """Modules that change asyncio when they are imported, in another order than usual, could break it."""
    kernel = someone.kernel()
    assert is_forked(kernel)
    assert not kernel.run(ASYNC).error
    assert value(kernel, "found") == (42, 42)


def test_it_takes_modules_of_ones_own_that_are_named_as_ours(someone: Person) -> None:
    kernel = someone.kernel()
    names = ("kernel_server", "joining", "importing", "limiting", "fork_server", "requests", "jupyterlab")
    for name in names:
        kernel.run(f"open('{name}.py', 'w').write('mine = 1')")
    assert is_forked(other := someone.kernel())
    for name in names:
        assert value(other, f"__import__('{name}').mine") == 1, name


@pytest.mark.parametrize(
    "change",
    [
        "os.mkdir(f'{packages}/new-1.0.dist-info')",
        "open(f'{packages}/sitecustomize.py', 'w').write('import builtins; builtins.changed = 1')",
        "open(IPython.__file__, 'a').write('\\nimport builtins; builtins.changed = 1\\n')",
    ],
    ids=["installed", "customized", "edited"],
)
def test_it_is_a_new_process_when_packages_have_changed(someone: Person, change: str) -> None:
    code = "import IPython, os, sysconfig; packages = sysconfig.get_path('purelib')"
    assert not someone.kernel().run(f"{code}; {change}").error
    kernel = someone.kernel()
    assert not is_forked(kernel)
    if "changed" in change:
        assert value(kernel, "changed") == 1


def test_it_is_a_new_process_when_its_variables_tell_python_something(someone: Person) -> None:
    kernel = someone.kernel()
    spec: dict[str, Any] = {
        "argv": ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Other",
    }
    spec |= {"language": "python", "env": {"PYTHONOPTIMIZE": "2"}}
    home = value(kernel, "__import__('os').path.expanduser('~/.local/share/jupyter/kernels/other')")
    kernel.run(f"import os; os.makedirs({home!r}); open({home!r} + '/kernel.json', 'w').write({json.dumps(spec)!r})")
    answer = someone.lab("POST", "/api/kernels", json={"name": "other", "path": ""})
    other = Kernel(someone, answer.json()["id"])
    assert not is_forked(other)
    assert value(other, "__import__('sys').flags.optimize") == 2


def test_it_does_at_its_end_what_was_registered_for_it(someone: Person) -> None:
    kernel, other = someone.kernel(), someone.kernel()
    kernel.run("import atexit; atexit.register(lambda: open('ended', 'w').write('in order'))")
    assert someone.lab("DELETE", f"/api/kernels/{kernel.id}").status_code == 204
    assert value(other, "open('ended').read()") == "in order"


def test_it_can_be_interrupted(someone: Person) -> None:
    kernel = someone.kernel()
    kernel.run("import time")
    kernel.begin("open('begun', 'w').close(); time.sleep(600)")
    other = someone.kernel()
    wait_for(lambda: value(other, "__import__('os').path.exists('begun')"), 20, "it did not begin")
    assert someone.lab("POST", f"/api/kernels/{kernel.id}/interrupt").status_code == 204
    wait_for(lambda: kernel.run("print(6 * 7)").text.strip() == "42", 20, "it goes on sleeping")


def test_it_can_be_restarted(someone: Person) -> None:
    kernel = someone.kernel()
    before = value(kernel, "__import__('os').getpid()")
    kernel.run("mark = 1")
    assert someone.lab("POST", f"/api/kernels/{kernel.id}/restart").status_code == 200
    again = Kernel(someone, kernel.id)
    assert value(again, "__import__('os').getpid()") != before
    assert value(again, "'mark' in globals()") is False
    assert is_forked(again)


def test_it_is_started_again_when_it_was_killed(someone: Person) -> None:
    kernel, other = someone.kernel(), someone.kernel()
    before = value(kernel, "__import__('os').getpid()")
    other.run(f"import os; os.kill({before}, 9)")
    kernels = lambda: someone.lab("GET", f"/api/kernels/{kernel.id}").json()["execution_state"]  # noqa: E731
    wait_for(lambda: kernels() != "idle" or _pid(someone, kernel) != before, 20, "its end was not noticed")
    wait_for(lambda: _pid(someone, kernel) not in (0, before), 30, "it was not started again")


def _pid(someone: Person, kernel: Kernel) -> int:
    """0 when it does not say."""
    try:
        again = Kernel(someone, kernel.id)
        return int(again.run("import os; print(os.getpid())", seconds=3).text or 0)
    except (TimeoutError, OSError):
        return 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_it_is_a_new_process_when_there_is_no_kernel_server(someone: Person, number: int) -> None:
    terminal = someone.kernel()
    parent = value(terminal, "__import__('os').getppid()")
    with contextlib.suppress(TimeoutError, OSError):  # a killed one takes this kernel with it
        terminal.run(f"import os; os.kill({parent}, {int(number)})", seconds=3)
    kernel = someone.kernel()
    assert kernel.run("print(6 * 7)").text.strip() == "42"
    assert not is_forked(kernel)


SLOW = """
import json, os, sys
place = os.path.expanduser("~/.local/share/jupyter/kernels/slow")
os.makedirs(place)
script = "sleep 1; touch ~/tried; exec \\"$0\\" -m ipykernel_launcher -f \\"$1\\""
spec = {"argv": ["sh", "-c", script, sys.executable, "{connection_file}"], "display_name": "Slow", "language": "python"}
json.dump(spec, open(f"{place}/kernel.json", "w"))
"""


def test_it_is_given_to_browsers_when_it_listens(someone: Person) -> None:
    """Otherwise the first message is lost now and then, and asking again takes half a second."""
    assert not someone.kernel().run(SLOW).error
    made = someone.lab("POST", "/api/kernels", json={"name": "slow"})
    assert someone.lab("GET", "/api/contents/tried?content=0").ok
    assert Kernel(someone, made.json()["id"]).run("print(6 * 7)").text.strip() == "42"


def test_it_ends_with_jupyter(site: Site, someone: Person) -> None:
    """As any kernel does: nothing is left of a Lab whose server was killed."""
    someone.kernel().begin(JUPYTER + "os.kill(jupyter, 9)")
    wait_for(lambda: someone.server().pk.hex not in site.sandboxes(), 30, "something is left of it")


def test_it_knows_nothing_of_an_earlier_person(site: Site, person: Callable[..., Person]) -> None:
    """Neither the kernel server, whose memory every kernel has, nor what it hands on."""
    victim, mallory = person("victim"), person("mallory")
    server = victim.launch()
    victim.kernel().run("treasure = 'a-very-secret-value-of-the-victim'")
    mallory.launch()
    kernel = mallory.kernel()
    assert is_forked(kernel)
    words = [victim.user.username, victim.user.email, server.token, server.pk.hex, "a-very-secret-value"]
    words += [settings.SECRET_KEY, str(settings.VAR_DIR), str(settings.RUN_DIR), "DATABASE_URL"]
    code = "import os; jupyter = os.getppid()\n"
    for expected, wanted in ([], words), ([mallory.user.username],) * 2:
        result = kernel.run(code + SEARCH.format(hidden=hidden(wanted)))
        found, looked = json.loads(result.text)
        assert looked > 10_000_000
        assert [wanted[i % len(wanted)] for i in found] == expected


def test_it_has_descriptors_of_its_own_only(someone: Person) -> None:
    """The kernel server keeps to itself the way to Jupyter, and what its kernels' ends are told by."""
    first, second = someone.kernel(), someone.kernel()
    others = [value(first, "__import__('os').getpid()"), value(second, "__import__('os').getppid()")]
    assert not second.run("import os" + DESCRIPTORS).error
    mine = "{l for l in links(os.getpid()) if l.startswith(('pipe:', 'socket:', 'anon_inode:[pidfd'))}"
    for pid in others:
        assert value(second, f"sorted({mine} & links({pid}))") == []


def test_two_people_have_no_secret_in_common(person: Callable[..., Person]) -> None:
    """What is made up at random when modules are imported would be the same for all that are forked."""
    code = "[__import__('random').random(), bytes(__import__('multiprocessing').current_process().authkey)]"
    found = []
    for name in ("ada", "bob"):
        someone = person(name)
        someone.launch()
        found.append(value(someone.kernel(), code))
    assert found[0][0] != found[1][0]
    assert found[0][1] != found[1][1]


@pytest.mark.parametrize("way", ["fork", "exec"])
def test_it_is_there_before_the_notebook_is_opened(site: Site, owner: Person, way: str) -> None:
    library = Library.objects.get(owner_user=owner.user, is_default=True)
    notebook = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    operations.write(owner.user, library, "first.ipynb", json.dumps(notebook).encode())
    with launched_by(site, way):
        request_server(owner.user, owner.user, Location("My Libraries/My Library/first.ipynb"))
        wait_for(lambda: owner.server().state == State.RUNNING, 60, "the Lab did not start")
        owner.enter()
        wait_for(lambda: owner.lab("GET", "/api/sessions").json(), 20, "it was not started")
    [session] = owner.lab("GET", "/api/sessions").json()
    assert session["path"] == "drive/My Libraries/My Library/first.ipynb"
    kernel = Kernel(owner, session["kernel"]["id"])
    assert value(kernel, "__import__('os').getcwd()").endswith("/drive/My Libraries/My Library")
    assert is_forked(kernel) == (way == "fork")
