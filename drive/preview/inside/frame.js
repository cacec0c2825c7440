"use strict";
(() => {
  const tell = said => parent.postMessage({ rendered: said }, "*");
  let told = 0, inARow = 0, wanted = "";
  const measure = () => {
    const height = Math.ceil(document.body.getBoundingClientRect().height);
    if (height === told || (height > told && inARow > 20)) return;
    inARow++;
    told = height;
    tell({ height });
    show();
  };
  const again = () => { inARow = 0; measure(); };
  const topOf = name => document.getElementById(name)?.getBoundingClientRect().top;
  // Until all is there, a heading may come later than it is asked for, and move.
  const show = () => {
    const top = topOf(wanted);
    if (top !== undefined) tell({ top, name: wanted });
    if (document.readyState === "complete") wanted = "";
  };
  new ResizeObserver(measure).observe(document.body);
  addEventListener("load", () => { again(); show(); });
  document.addEventListener("toggle", again, true);
  document.addEventListener("click", event => {
    const link = event.target.closest?.("a[href^='#']");
    if (!link) return;
    const name = decodeURIComponent(link.getAttribute("href").slice(1)), top = topOf(name);
    event.preventDefault();
    if (top !== undefined) tell({ top, name });
  });
  addEventListener("message", event => {
    const said = event.data;
    if (event.source !== parent || !said) return;
    if (said.measure) { told = 0; again(); }
    if (said.theme) document.documentElement.style.colorScheme = said.theme === "auto" ? "light dark" : said.theme;
    if (typeof said.name === "string") { wanted = said.name; show(); }
  });
  // Where the frame scrolls by itself (lab/supervisor/inside/reading.html): the cell at its top, and pixels of it above.
  addEventListener("scroll", () => {
    const sides = [...document.querySelectorAll(".cell")].map(one => one.getBoundingClientRect());
    const cell = sides.findIndex(({ bottom }) => bottom > 0);
    if (cell >= 0) tell({ cell, above: Math.max(0, Math.round(-sides[cell].top)) });
  }, { passive: true });
  measure();
})();
