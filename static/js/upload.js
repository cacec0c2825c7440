// Uploads by drag and drop and by the file button, one PUT per file, with progress. Without this file the form does it.
"use strict";

for (const zone of document.querySelectorAll("[data-upload]")) {
  zone.querySelector("[data-hint]").hidden = false;
  for (const name of ["dragenter", "dragover"]) {
    zone.addEventListener(name, (event) => {
      event.preventDefault();
      zone.classList.add("over");
    });
  }
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    uploadAll(zone, [...event.dataTransfer.files]);
  });
  const chosen = zone.querySelector("input[type=file]");
  chosen.form.addEventListener("submit", (event) => {
    event.preventDefault();
    uploadAll(zone, [...chosen.files]);
    chosen.form.reset();
  });
}

// One after the other: they would only share the line. The page is loaded anew when nothing is left to be said.
async function uploadAll(zone, files) {
  const results = [];
  for (const file of files) results.push(await upload(zone, file));
  if (results.length && results.every(Boolean)) window.location.reload();
}

function upload(zone, file) {
  const line = zone.querySelector("[data-progress]").appendChild(document.createElement("li"));
  const bar = document.createElement("progress");
  line.append(file.name, " ", bar);
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("PUT", zone.dataset.upload + encodeURIComponent(file.name));
    request.setRequestHeader("X-CSRFToken", zone.dataset.token);
    request.setRequestHeader("If-None-Match", "*");
    request.setRequestHeader("X-Hold", "1");
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = (event) => {
      bar.max = event.total;
      bar.value = event.loaded;
    };
    request.onloadend = async () => {
      bar.remove();
      if (request.status === 204) {
        line.append("✓");
        resolve(true);
      } else if (isJson(request)) {
        resolve(await choose(zone, line, JSON.parse(request.responseText)));
      } else {
        line.append(why(request));
        resolve(false);
      }
    };
    request.send(file);
  });
}

function isJson(request) {
  return (request.getResponseHeader("Content-Type") || "").startsWith("application/json");
}

function why(request) {
  const known = {
    0: "The connection broke. Please try again.",
    200: "You are not signed in any more. Please load the page again.",
    403: "You may not write here any more. Please load the page again.",
    404: "This folder is not there any more.",
    413: "The file is too large.",
    502: "The portal is away for a moment. Please try again.",
  };
  const text = (request.getResponseHeader("Content-Type") || "").startsWith("text/plain") ? request.responseText : "";
  return text || known[request.status] || "This did not work.";
}

// The name is taken. The server keeps the bytes, so that nobody uploads twice; the person says what shall happen.
function choose(zone, line, answer) {
  return new Promise((resolve) => {
    const buttons = document.createElement("span");
    buttons.className = "toolbar";
    const offer = (label, how) => {
      const button = buttons.appendChild(document.createElement("button"));
      button.type = "button";
      button.className = "button small";
      button.textContent = label;
      button.addEventListener("click", async () => {
        for (const other of buttons.children) other.disabled = true;
        const body = new FormData();
        const fields = { do: "choose", held: answer.held, "how-0": how, "etag-0": answer.etag };
        for (const [name, value] of Object.entries(fields)) body.append(name, value);
        const headers = { "X-CSRFToken": zone.dataset.token };
        const response = await fetch(zone.dataset.upload, { method: "POST", body, headers }).catch(() => null);
        buttons.remove();
        line.append(response?.ok ? "✓" : "This did not work: it was changed again. Please load the page again.");
        resolve(Boolean(response?.ok));
      });
    };
    if (answer.may_replace) offer("Replace it", "replace");
    offer("Keep both", "both");
    offer("Do not upload", "drop");
    line.replaceChildren(answer.error, " ", buttons);
    buttons.firstChild.focus();
  });
}
