"""A script in a Lab makes itself the service worker of its origin, to see what is opened in later Labs: it cannot."""

import pytest
from playwright.sync_api import Browser

from ..support.browser import Visitor
from ..support.people import Person

pytestmark = pytest.mark.browser

REGISTER = """async address => {
    const script = await fetch(address);
    try {
        await navigator.serviceWorker.register(address);
        return [script.status, "registered"];
    } catch (error) {
        return [script.status, error.name];
    }
}"""


def test_it_cannot(browser: Browser, owner: Person) -> None:
    owner.launch()
    owner.kernel().run("open('worker.js', 'w').write('self.onfetch = event => {}')")
    visitor = Visitor(browser)
    owner.sign_in_at(visitor.context)
    visitor.page.goto(f"{owner.origin}/lab", wait_until="commit")
    assert visitor.page.evaluate(REGISTER, "/files/worker.js") == [200, "TypeError"]
    assert visitor.page.evaluate("async () => (await navigator.serviceWorker.getRegistrations()).length") == 0
