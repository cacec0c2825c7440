// What takes longer than half a second shows that it is at work: a bar at the top of the page, and the button that was
// pressed; after five seconds words, too. For forms, for links, and for what htmx asks for because somebody did something.
// A second press within a second is a double click, and sends nothing again.
(function () {
  "use strict";
  const SHOWN_AFTER = 500; // milliseconds
  const SAID_AFTER = 5000;
  const GIVEN_UP_AFTER = 120_000; // whatever was to come was no page
  const DOUBLE = 1000;

  let timers = [];
  let pressed = null;
  let sent = { form: null, at: 0 };

  const sign = () => document.getElementById("waiting");

  function begin(button) {
    end();
    pressed = button;
    timers = [
      setTimeout(() => show("working"), SHOWN_AFTER),
      setTimeout(() => show("long"), SAID_AFTER),
      setTimeout(end, GIVEN_UP_AFTER),
    ];
  }

  function show(state) {
    sign().dataset.state = state;
    sign().querySelector("[data-words]").textContent = sign().dataset[state];
    pressed?.setAttribute("aria-busy", "true");
  }

  function end() {
    timers.forEach(clearTimeout);
    pressed?.removeAttribute("aria-busy");
    pressed = null;
    delete sign().dataset.state;
    sign().querySelector("[data-words]").textContent = "";
  }

  const isDownload = (element) => element?.closest("[data-download], [download]");

  document.addEventListener("submit", (event) => {
    const form = event.target;
    const isAgain = form === sent.form && event.timeStamp - sent.at < DOUBLE;
    if (isAgain && form.method === "post" && !form.matches("[hx-post]")) return event.preventDefault();
    sent = { form, at: event.timeStamp };
    // Whoever prevents the form from being sent does it after this.
    setTimeout(() => {
      const isPage = !form.target && form.method !== "dialog" && !isDownload(event.submitter);
      if (isPage && !event.defaultPrevented) begin(event.submitter);
    });
  });

  document.addEventListener("click", (event) => {
    if (event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const link = event.target.closest("a[href]");
    if (!link || link.target || link.origin !== location.origin || isDownload(link)) return;
    if (link.hash && link.pathname === location.pathname && link.search === location.search) return;
    setTimeout(() => event.defaultPrevented || begin(null));
  });

  // htmx: not what a page asks for by itself again and again.
  document.addEventListener("htmx:beforeRequest", (event) => {
    const cause = event.detail.requestConfig.triggeringEvent?.type;
    if (["click", "submit", "change"].includes(cause)) begin(event.detail.elt.closest("button, a") || event.detail.elt);
  });
  document.addEventListener("htmx:afterRequest", end);

  addEventListener("pageshow", end); // back from the page that came, which has kept this one as it was
  addEventListener("keydown", (event) => event.key === "Escape" && end()); // stops the loading, too
})();
