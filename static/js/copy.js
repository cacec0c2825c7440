// Puts the value of a field, or a button's own text (`data-copy-text`), on the clipboard. Without a script, people select
// and copy the field themselves.
(function () {
  "use strict";
  const words = document.currentScript.dataset;
  for (const button of document.querySelectorAll("button[data-copy]")) {
    const field = document.getElementById(button.dataset.copy);
    button.hidden = false;
    button.addEventListener("click", async function () {
      field.select();
      try {
        await navigator.clipboard.writeText(field.value);
        button.textContent = words.copied;
      } catch {
        button.textContent = words.byKeys; // the page may not write to the clipboard: the address is selected
      }
    });
  }
  for (const button of document.querySelectorAll("button[data-copy-text]")) {
    const label = button.textContent;
    button.hidden = false;
    button.addEventListener("click", async function () {
      try {
        await navigator.clipboard.writeText(button.dataset.copyText);
        button.textContent = words.copied;
      } catch {
        button.textContent = button.dataset.copyText; // the page may not write to the clipboard
      }
      setTimeout(() => (button.textContent = label), 2000);
    });
  }
})();
