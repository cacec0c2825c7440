"use strict";
(() => {
  const tell = said => parent.postMessage({ rendered: said }, "*");
  let told = 0, inARow = 0;
  const measure = () => {
    const height = Math.ceil(document.body.getBoundingClientRect().height);
    if (height === told || (height > told && inARow > 20)) return;
    inARow++;
    told = height;
    tell({ height });
  };
  const again = () => { inARow = 0; measure(); };
  const topOf = name => document.getElementById(name)?.getBoundingClientRect().top;
  new ResizeObserver(measure).observe(document.body);
  addEventListener("load", again);
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
    if (typeof said.name === "string" && topOf(said.name) !== undefined) tell({ top: topOf(said.name), name: said.name });
  });
  measure();
})();
