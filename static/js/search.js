// The header's search: suggestions while typing (htmx loads them), as a combobox of the WAI-ARIA practices. Without
// JavaScript it is a form. "/" goes to it, unless one is typing.
"use strict";
(function () {
  const typing = "input:not([type=checkbox], [type=radio]), select, textarea, [contenteditable], [popover]:popover-open, dialog[open]";

  document.addEventListener("DOMContentLoaded", function () {
    const field = document.getElementById("site-search");
    const popup = document.getElementById("search-suggestions");
    const said = document.getElementById("search-said");
    if (!field || !popup) return;
    let at = -1;

    const options = () => [...popup.querySelectorAll("[role=option]")];

    function show(isOpen) {
      popup.hidden = !isOpen;
      field.setAttribute("aria-expanded", String(isOpen));
      if (!isOpen) mark(-1);
    }

    function mark(place) {
      at = place;
      const found = options();
      found.forEach((option, number) => option.setAttribute("aria-selected", String(number === at)));
      if (at < 0) {
        field.removeAttribute("aria-activedescendant");
        return;
      }
      field.setAttribute("aria-activedescendant", found[at].id);
      found[at].scrollIntoView({ block: "nearest" });
    }

    function move(by) {
      const count = options().length;
      if (popup.hidden || !count) return false;
      mark(at < 0 ? (by > 0 ? 0 : count - 1) : at + by < 0 || at + by >= count ? -1 : at + by);
      return true;
    }

    field.setAttribute("role", "combobox");
    field.setAttribute("aria-autocomplete", "list");
    field.setAttribute("aria-controls", "search-options");
    show(false);

    popup.addEventListener("htmx:afterSwap", function () {
      const list = popup.querySelector("[role=listbox]");
      const isWanted = Boolean(list) && document.activeElement === field && field.value.trim() !== "";
      show(isWanted);
      said.textContent = isWanted ? list.dataset.said : "";
    });
    field.addEventListener("input", function () {
      mark(-1);
      if (field.value.trim() === "") show(false);
    });
    field.addEventListener("focus", function () {
      if (field.value.trim() !== "" && options().length) show(true);
    });
    field.form.addEventListener("focusout", function (event) {
      if (!field.form.contains(event.relatedTarget)) show(false);
    });
    popup.addEventListener("mousedown", (event) => event.preventDefault()); // the field keeps the focus
    field.addEventListener("keydown", function (event) {
      if (event.isComposing || event.altKey || event.ctrlKey || event.metaKey) return;
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        if (move(event.key === "ArrowDown" ? 1 : -1)) event.preventDefault();
      } else if (event.key === "Enter" && !popup.hidden && at >= 0) {
        event.preventDefault();
        location.assign(options()[at].href);
      } else if (event.key === "Escape" && !popup.hidden) {
        event.preventDefault(); // what was typed stays
        show(false);
      }
    });
    document.addEventListener("keydown", function (event) {
      if (event.key !== "/" || event.altKey || event.ctrlKey || event.metaKey || event.defaultPrevented) return;
      if (event.target.closest(typing) || document.querySelector("dialog[open]")) return;
      event.preventDefault();
      field.focus();
      field.select();
    });
  });
})();
