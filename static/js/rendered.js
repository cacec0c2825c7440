// Frames with rendered files: as high as their content, in the page's colours, and headings are scrolled to. The content
// is somebody else's and has no origin; nothing but numbers and names of headings is taken from a frame that is ours.
(function () {
  "use strict";
  const HIGHEST = 500000;

  const frames = () => [...document.querySelectorAll("iframe.rendered")];

  function tell(frame, said) {
    frame.contentWindow.postMessage(said, "*");
  }

  function colours() {
    return { theme: document.documentElement.dataset.theme || "auto" };
  }

  function scrollTo(frame, top, name) {
    const y = frame.getBoundingClientRect().top + window.scrollY + top;
    window.scrollTo({ top: Math.max(0, y - 8) });
    history.replaceState(history.state, "", "#" + encodeURIComponent(name));
  }

  window.addEventListener("message", function (event) {
    const frame = frames().find((one) => one.contentWindow === event.source);
    const said = event.data && event.data.rendered;
    if (!frame || !said) return;
    if (Number.isFinite(said.height)) {
      const first = !frame.dataset.measured;
      frame.dataset.measured = "";
      frame.style.height = Math.min(Math.max(said.height, 0), HIGHEST) + 2 + "px";
      tell(frame, colours()); // each time: another document may have been opened in it
      if (first && location.hash.length > 1) tell(frame, { name: decodeURIComponent(location.hash.slice(1)) });
    }
    if (Number.isFinite(said.top) && typeof said.name === "string") scrollTo(frame, said.top, said.name);
  });

  document.addEventListener("click", function (event) {
    const link = event.target.closest("a[data-heading]");
    const frame = frames()[0];
    if (!link || !frame || !("measured" in frame.dataset)) return;
    event.preventDefault();
    tell(frame, { name: link.dataset.heading });
  });

  new MutationObserver(() => frames().forEach((frame) => tell(frame, colours()))).observe(document.documentElement, {
    attributeFilter: ["data-theme"],
  });

  // A frame that was there before us has told its height to nobody.
  frames().forEach((frame) => tell(frame, { measure: true }));
})();
