// A link's page is asked for when the mouse button goes down, and not only when it comes up again a tenth of a second
// later. Marks the link; the browser's own rules, `speculation/pressed_links.speculationrules`, ask for what is marked.
// A page that is not opened at once is thrown away: what it shows may change, and so may the right to see it.
(function () {
  "use strict";
  const PLACES = /^\/(?:$|collabs\/|drive\/)/; // pages that change nothing by being asked for
  const KEPT = 1000; // milliseconds, for a press that becomes no click
  const KEPT_AFTER_CLICK = 10_000; // for a click that leads to no other page

  function isPage(link) {
    if (link.origin !== location.origin || !PLACES.test(link.pathname) || link.search) return false;
    if (link.hasAttribute("download") || link.target || link.closest("[hx-get], [hx-post], [hx-boost]")) return false;
    return link.pathname !== location.pathname;
  }

  let forget = 0;

  function release() {
    clearTimeout(forget);
    for (const link of document.querySelectorAll("a[data-pressed]")) delete link.dataset.pressed;
  }

  document.addEventListener("pointerdown", function (event) {
    release();
    if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const link = event.target.closest("a[href]");
    if (!link || !isPage(link)) return;
    link.dataset.pressed = "";
    forget = setTimeout(release, KEPT);
  });
  document.addEventListener("pointercancel", release); // the finger scrolls
  document.addEventListener("click", function (event) {
    clearTimeout(forget);
    if (event.defaultPrevented) release();
    else forget = setTimeout(release, KEPT_AFTER_CLICK);
  });
  addEventListener("pageshow", release); // back from the page that was opened
})();
