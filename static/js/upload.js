// Uploads by drag and drop, one PUT per file, with progress. Without this file the form above it does the work.
"use strict";

for (const zone of document.querySelectorAll("[data-upload]")) {
  const list = zone.querySelector("[data-progress]");
  zone.querySelector("[data-hint]").hidden = false;
  for (const name of ["dragenter", "dragover"]) {
    zone.addEventListener(name, (event) => {
      event.preventDefault();
      zone.classList.add("over");
    });
  }
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", async (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    const results = [];
    for (const file of event.dataTransfer.files) results.push(await upload(zone, list, file));
    if (results.length && results.every(Boolean)) window.location.reload();
  });
}

function upload(zone, list, file) {
  const line = list.appendChild(document.createElement("li"));
  const bar = document.createElement("progress");
  const text = document.createElement("span");
  line.append(file.name, bar, text);
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("PUT", zone.dataset.upload + encodeURIComponent(file.name));
    request.setRequestHeader("X-CSRFToken", zone.dataset.token);
    request.setRequestHeader("If-None-Match", "*");
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = (event) => {
      bar.max = event.total;
      bar.value = event.loaded;
    };
    request.onloadend = () => {
      const ok = request.status === 204;
      bar.remove();
      const why = { 0: "The connection broke.", 413: "The file is too large." }[request.status] || request.responseText;
      text.textContent = ok ? " ✓" : ` ${why.length < 300 ? why : "This did not work."}`;
      resolve(ok);
    };
    request.send(file);
  });
}
