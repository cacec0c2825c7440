// Small pictures in the list, of those that are in view; each takes its icon's place once it is there.
"use strict";

(() => {
  const AT_ONCE = 3; // each may have to be made
  const TRIES = [600, 1200, 2500, 5000, 10000]; // milliseconds
  const links = [...document.querySelectorAll("table.files a[data-thumbnail]")];
  if (!links.length) return;
  links[0].closest("table").classList.add("with-thumbnails");
  const waiting = [];
  let busy = 0;

  const pause = (time) => new Promise((done) => setTimeout(done, time));

  async function load(link) {
    for (const wait of [0, ...TRIES]) {
      await pause(wait);
      const answer = await fetch(`${link.getAttribute("href")}?show=thumbnail`, { redirect: "error" });
      if (answer.status === 200) return show(link, await answer.blob());
      if (answer.status !== 202) return undefined; // it has none
    }
    return undefined;
  }

  function show(link, blob) {
    const reader = new FileReader();
    reader.addEventListener("load", () => {
      const picture = document.createElement("img");
      picture.className = "thumbnail";
      picture.alt = "";
      picture.addEventListener("load", () => {
        link.classList.add("has-thumbnail");
        link.prepend(picture);
      });
      picture.src = reader.result;
    });
    reader.readAsDataURL(blob);
  }

  function next() {
    while (busy < AT_ONCE && waiting.length) {
      busy += 1;
      load(waiting.shift())
        .catch(() => {}) // the icon stays
        .finally(() => {
          busy -= 1;
          next();
        });
    }
  }

  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      seen.unobserve(entry.target);
      waiting.push(entry.target);
    }
    next();
  }, { rootMargin: "200px" });
  for (const link of links) seen.observe(link);
})();
