// Light, dark or as the system says. Loaded in the head, not deferred: a page must not flash in the other scheme.
// Django's admin keeps its choice under the same name, so one choice holds for both.
(function () {
  "use strict";
  const names = ["auto", "light", "dark"];

  function current() {
    let stored = null;
    try {
      stored = localStorage.getItem("theme");
    } catch {
      // Storage is switched off: follow the system.
    }
    return names.includes(stored) ? stored : "auto";
  }

  function show(name) {
    document.documentElement.dataset.theme = name;
    for (const source of document.querySelectorAll("source[data-for-dark]")) {
      source.media = name === "auto" ? "(prefers-color-scheme: dark)" : name === "dark" ? "all" : "not all";
    }
    for (const button of document.querySelectorAll("button[data-theme-choice]")) {
      button.hidden = false;
      button.querySelector("[data-theme-name]").textContent = button.dataset[name];
    }
  }

  // The text that the editor remembers for this file was saved.
  if (location.hash === "#saved") {
    try {
      sessionStorage.removeItem("draft:" + location.pathname);
    } catch {
      // Nothing was remembered.
    }
    history.replaceState(history.state, "", location.pathname + location.search);
  }

  show(current());
  document.addEventListener("DOMContentLoaded", function () {
    show(current());
    for (const button of document.querySelectorAll("button[data-theme-choice]")) {
      button.addEventListener("click", function () {
        const next = names[(names.indexOf(current()) + 1) % names.length];
        try {
          localStorage.setItem("theme", next);
        } catch {
          // Holds for this page only.
        }
        show(next);
      });
    }
  });

  // A click elsewhere, or Escape, closes a menu.
  document.addEventListener("click", function (event) {
    for (const menu of document.querySelectorAll("details[data-menu][open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  document.addEventListener("keydown", function (event) {
    if (event.key !== "Escape") return;
    for (const menu of document.querySelectorAll("details[data-menu][open]")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
})();
