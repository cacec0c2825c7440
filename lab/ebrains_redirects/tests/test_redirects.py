"""Addresses of the EBRAINS Lab and Drive lead to pages of ours, and nowhere else."""

from uuid import UUID

import pytest
from django.test import Client

NUMBER = UUID("00000000-0000-4000-8000-000000000001")
GROUPS = "/lab/open?path=Shared+with+groups%2F"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/hub/user-redirect/lab/tree/shared/My%20Collab/a%26b.ipynb", f"{GROUPS}My+Collab%2Fa%26b.ipynb"),
        ("/hub/user-redirect/lab/tree/drive/Shared%20with%20groups/X/a.ipynb", f"{GROUPS}X%2Fa.ipynb"),
        ("/user-redirect/lab/tree/drive/Shared%20with%20groups/X", f"{GROUPS}X"),
        ("/user/ada/lab/tree/shared/X/a.ipynb", f"{GROUPS}X%2Fa.ipynb"),
        ("/user/ada/lab/workspaces/auto/tree/shared/X/a.ipynb?reset", f"{GROUPS}X%2Fa.ipynb"),
        ("/user/ada/notebooks/drive/My%20Libraries/L/a.ipynb", "/lab/open?path=My+Libraries%2FL%2Fa.ipynb"),
        ("/hub/user-redirect/lab", "/lab/open"),
        ("/hub/user-redirect/lab/tree/scratch.ipynb", "/lab/open"),
        ("/hub/home", "/lab/"),
        (
            "/hub/user-redirect/git-pull?repo=https%3A%2F%2Fx.org%2Fa%2Fc&branch=b&urlpath=lab%2Ftree%2Fc%2Fd%2Fn.ipynb%3Fautodecode",
            "/lab/git-pull?repo=https%3A%2F%2Fx.org%2Fa%2Fc&branch=b&path=d%2Fn.ipynb",
        ),
        (
            "/user-redirect/git-pull?repo=https://x.org/a/c&subPath=d&targetpath=e/f",
            "/lab/git-pull?repo=https%3A%2F%2Fx.org%2Fa%2Fc&folder=f&path=d",
        ),
        (f"/lib/{NUMBER}/file/a%20b/c%23.csv", f"/drive/{NUMBER}/a%20b/c%23.csv"),
        (f"/library/{NUMBER}/My%20Collab/", f"/drive/{NUMBER}/"),
        (f"/library/{NUMBER}/My%20Collab/a/b.ipynb", f"/drive/{NUMBER}/a/b.ipynb"),
    ],
)
def test_it_leads_to_the_same_thing_here(old: str, new: str) -> None:
    answer = Client().get(old)
    assert (answer.status_code, answer["Location"]) == (301, new)


@pytest.mark.parametrize(
    "old",
    [
        "/hub/user-redirect///evil.example/lab",
        "/hub/user-redirect/https://evil.example/",
        "/user-redirect/lab/tree/drive///evil.example",
        "/user-redirect/lab/tree/drive/../../../evil",
        "/user-redirect/lab/tree/shared/%0d%0aLocation:%20https://evil.example",
        "/user-redirect/lab/tree/drive/%5c%5cevil.example",
        "/hub/user-redirect/git-pull?repo=//evil.example&urlpath=//evil.example",
        "/user/evil.example//evil.example",
        f"/lib/{NUMBER}/file///evil.example",
        f"/library/{NUMBER}/evil.example///evil.example/",
        "/hub/user-redirect/lab/tree/drive/x?next=https://evil.example&path=//evil.example",
    ],
)
def test_it_leads_nowhere_else(old: str) -> None:
    location = Client().get(old)["Location"]
    assert location.startswith(("/lab/open", "/lab/git-pull?", f"/drive/{NUMBER}/"))
    assert "\n" not in location
