// The editor without losing anything: Ctrl+S saves, leaving with unsaved text asks, and a text whose page went away
// (a sign-in that ended, a reload) is in the tab when the page is opened again.
(function () {
  "use strict";
  const form = document.getElementById("editor");
  const text = form.elements.text;
  const saved = text.defaultValue;
  const key = "draft:" + location.pathname;
  const notice = form.querySelector("[data-draft]");
  let leaving = false;

  function changed() {
    return form.dataset.unsaved === "1" || text.value !== saved;
  }

  function remember() {
    try {
      if (changed()) sessionStorage.setItem(key, JSON.stringify([form.elements.etag.value, text.value]));
      else sessionStorage.removeItem(key);
    } catch {
      // No storage, or no room in it: the warning remains.
    }
  }

  function remembered() {
    try {
      return JSON.parse(sessionStorage.getItem(key));
    } catch {
      return null;
    }
  }

  const draft = remembered();
  if (draft && draft[1] === saved) sessionStorage.removeItem(key);
  if (draft && form.dataset.unsaved !== "1" && draft[1] !== saved) {
    const etag = form.elements.etag.value;
    text.value = draft[1];
    form.elements.etag.value = draft[0]; // made from that version: should there be another by now, both are shown
    notice.hidden = false;
    notice.querySelector("button").addEventListener("click", function () {
      text.value = saved;
      form.elements.etag.value = etag;
      notice.hidden = true;
      remember();
      text.focus();
    });
  }

  text.addEventListener("input", remember);
  form.addEventListener("submit", function () {
    remember();
    leaving = true;
  });
  form.querySelector("[data-leave]").addEventListener("click", function () {
    sessionStorage.removeItem(key);
    leaving = true;
  });
  window.addEventListener("pageshow", function () {
    leaving = false;
  });
  window.addEventListener("beforeunload", function (event) {
    if (!leaving && changed()) event.preventDefault();
  });
  document.addEventListener("keydown", function (event) {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s") {
      event.preventDefault();
      form.requestSubmit(form.querySelector("[data-stay]"));
    }
  });
})();
