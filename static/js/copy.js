// Puts the value of a field on the clipboard. Without a script, people select and copy it themselves.
(function () {
  "use strict";
  for (const button of document.querySelectorAll("button[data-copy]")) {
    const field = document.getElementById(button.dataset.copy);
    button.hidden = false;
    button.addEventListener("click", async function () {
      field.select();
      try {
        await navigator.clipboard.writeText(field.value);
        button.textContent = "Copied";
      } catch {
        button.textContent = "Press Ctrl+C"; // the page may not write to the clipboard: the address is selected
      }
    });
  }
})();
