// Uploads by the file button, by choosing a folder, by drag and drop: with progress, cancelled or taken up again at will.
// Small files go by one PUT each; larger ones in pieces, by tus 1.0 (tus-js-client), so that a broken connection, or a closed
// browser, costs no more than the last piece. Without this file the form uploads.
"use strict";

const PIECE = 8 * 2 ** 20;
const LARGEST_PIECE = 64 * 2 ** 20;
const PIECE_SECONDS = 4;
const AT_ONCE = 3;
const PAUSES = [1, 2, 4, 8, 15, ...Array(10_000).fill(30)]; // seconds, three days of them
const FEW = 20;
const sentences = document.currentScript.dataset;
const filled = (sentence, values) => sentence.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const ANSWERS = { 200: sentences.signedOut, 403: sentences.readOnly, 404: sentences.gone, 413: sentences.tooLarge };

// How tus-js-client sends pieces.
const TUS = {
  chunkSize: PIECE,
  retryDelays: PAUSES.map((seconds) => seconds * 1000),
  removeFingerprintOnSuccess: true,
  // Left to itself, it takes the portal's absence for the loss of what has arrived, and begins anew.
  onAfterResponse(request, response) {
    if (isPassing({ status: response.getStatus() })) throw new Error("The portal is away for a moment.");
  },
  // The addresses of uploads under way, kept in the browser: after a reload the same file goes on where it was.
  urlStorage: {
    addUpload: async (key, { uploadUrl }) => {
      stored(() => localStorage.setItem(key, uploadUrl));
      return key;
    },
    removeUpload: async (key) => stored(() => localStorage.removeItem(key)),
    findUploadsByFingerprint: async (key) => {
      const uploadUrl = stored(() => localStorage.getItem(key));
      return uploadUrl ? [{ uploadUrl, urlStorageKey: key }] : [];
    },
  },
};

for (const zone of document.querySelectorAll("[data-uploads]")) new Zone(zone).listen();

// Where files are dropped: its queue, its totals.
function Zone(element) {
  const part = (name) => element.querySelector(`[data-${name}]`);
  const zone = this;
  zone.waiting = [];
  zone.all = [];
  zone.active = 0;
  zone.sameForAll = null;
  zone.asking = Promise.resolve();
  zone.data = element.dataset;
  zone.isLink = !zone.data.upload; // of an upload link, behind which nothing is seen: neither folders nor a list to load anew
  zone.list = part("list");

  zone.listen = function () {
    const form = document.querySelector("[data-upload-form]");
    form.classList.add("scripted");
    for (const part of form.querySelectorAll("[data-hint], [data-folder-button]")) part.hidden = false;
    for (const input of form.querySelectorAll("input[type=file]")) {
      input.addEventListener("change", () => {
        zone.add([...input.files].map((file) => [file.webkitRelativePath || file.name, file]));
        input.value = "";
        form.closest("details")?.removeAttribute("open");
      });
    }
    dropAnywhere();
    part("cancel-all").addEventListener("click", () => {
      for (const upload of zone.all) upload.cancel();
    });
    window.addEventListener("beforeunload", (event) => {
      if (zone.active) event.preventDefault();
    });
  };

  // A file may be dropped wherever the page is. Text and links of the page that are dragged are none.
  function dropAnywhere() {
    const here = part("drop-here");
    const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
    for (const name of ["dragenter", "dragover"]) {
      document.addEventListener(name, (event) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        here.hidden = false;
      });
    }
    document.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) here.hidden = true; // out of the window, not from one element into another
    });
    document.addEventListener("drop", async (event) => {
      here.hidden = true;
      if (!hasFiles(event)) return;
      event.preventDefault();
      zone.add(await dropped(event.dataTransfer));
    });
  }

  zone.add = function (files) {
    for (const [path, file] of files) {
      const upload = new Upload(zone, zone.isLink ? file.name : path, file);
      zone.all.push(upload);
      zone.waiting.push(upload);
    }
    if (!files.length) return;
    part("total").hidden = false;
    zone.next();
  };

  zone.next = function () {
    while (zone.active < AT_ONCE && zone.waiting.length) {
      const upload = zone.waiting.shift();
      if (upload.over) continue;
      zone.active += 1;
      upload.run().finally(() => {
        zone.active -= 1;
        zone.next();
      });
    }
    zone.show();
    if (!zone.active && !zone.waiting.length) zone.end();
  };

  // The page is loaded anew when nothing is left to be said on it.
  zone.end = function () {
    const failed = zone.all.filter((upload) => upload.failed).length;
    part("said").textContent = failed ? filled(failed === 1 ? sentences.failure : sentences.failures, { number: failed }) : sentences.done;
    if (!zone.isLink && !failed && zone.all.some((upload) => upload.done)) window.location.reload();
    if (zone.all.every((upload) => upload.over && !upload.failed)) part("total").hidden = true;
  };

  zone.show = function () {
    if (zone.drawn) return;
    zone.drawn = requestAnimationFrame(() => {
      zone.drawn = 0;
      const total = sum(zone.all, (upload) => upload.file.size);
      const sent = sum(zone.all, (upload) => (upload.over ? upload.file.size : upload.sent));
      const over = zone.all.filter((upload) => upload.over).length;
      const bar = part("total").querySelector("progress");
      bar.max = Math.max(total, 1);
      bar.value = sent;
      const files = filled(sentences.files, { number: over, all: zone.all.length });
      const bytes = filled(sentences.sizes, { sent: size(sent), all: size(total) });
      part("total-text").textContent = [files, bytes, zone.speed(total - sent)]
        .filter(Boolean)
        .join(" · ");
    });
  };

  // Bytes that went over the line in the last ten seconds.
  const moved = [];
  zone.count = function (bytes) {
    moved.push([performance.now(), bytes]);
    while (moved[0][0] < performance.now() - 10_000) moved.shift();
    zone.show();
  };
  zone.speed = function (left) {
    if (moved.length < 2) return "";
    const seconds = (performance.now() - moved[0][0]) / 1000;
    const rate = sum(moved, (entry) => entry[1]) / Math.max(seconds, 0.5);
    return rate > 0 && left > 0 ? filled(sentences.speed, { size: size(rate), time: duration(left / rate) }) : "";
  };
}

// One file on its way.
function Upload(zone, path, file) {
  const upload = this;
  Object.assign(upload, { file, path, sent: 0, over: false, failed: false, done: false, request: null, transfer: null });
  const memory = `upload ${zone.data.uploads} ${zone.data.folder} ${path} ${file.size} ${file.lastModified}`;
  let line, bar, wake;

  upload.run = async function () {
    [line, bar] = drawLine(upload, zone);
    try {
      const answer = await (file.size <= PIECE && !zone.isLink ? whole() : inPieces());
      if (answer) await settle(answer);
    } catch (error) {
      if (!upload.over) fail(error instanceof Refused ? error.message : sentences.reload);
    }
  };

  upload.cancel = function () {
    if (upload.over) return;
    upload.over = true;
    upload.request?.abort();
    upload.transfer?.abort();
    wake?.();
    line?.remove();
    giveUp();
    zone.show();
  };

  // One PUT. It is sent again as a whole.
  async function whole() {
    const address = zone.data.upload + path.split("/").map(encodeURIComponent).join("/");
    const headers = { "X-CSRFToken": zone.data.token, "If-None-Match": "*", "X-Hold": "1", "X-Make-Folders": "1" };
    for (let pause = 0; ; pause += 1) {
      const answer = await send("PUT", address, { ...headers, "Content-Type": "application/octet-stream" }, file);
      if (!isPassing(answer)) return answer;
      await rest(pause);
    }
  }

  // A piece after the other; after anything unclear, the server is asked how much it has.
  async function inPieces() {
    const sender = document.querySelector("[data-sender]")?.value || "";
    const transfer = (upload.transfer = new tus.Upload(file, {
      ...TUS,
      endpoint: zone.data.uploads,
      headers: { "X-CSRFToken": zone.data.token },
      metadata: zone.isLink ? { filename: path, sender } : { filename: file.name, relativePath: path, folder: zone.data.folder },
      fingerprint: async () => memory,
      onBeforeRequest: (request) => begin(request),
      onShouldRetry: (error) => isUnclear(error) && halt(),
      onProgress(sent) {
        zone.count(sent - upload.sent);
        bar.value = upload.sent = sent;
      },
      onChunkComplete(length) {
        const seconds = Math.max((performance.now() - upload.began) / 1000, 0.1);
        transfer.options.chunkSize = clamp((length / seconds) * PIECE_SECONDS, 2 ** 20, LARGEST_PIECE);
      },
    }));
    const [known] = await transfer.findPreviousUploads();
    if (upload.over) return null;
    if (known) transfer.resumeFromPreviousUpload(known);
    return new Promise((resolve, reject) => {
      wake = () => resolve(null); // cancelled, of which it says nothing
      transfer.options.onSuccess = () => resolve({ status: 204 });
      transfer.options.onError = (error) => (error.originalResponse ? resolve(answerOf(error)) : reject(error));
      transfer.start();
    }).finally(goOn);
  }

  function begin(request) {
    goOn();
    if (request.getMethod() !== "PATCH") return;
    upload.began = performance.now();
    upload.sent = Number(request.getHeader("Upload-Offset"));
  }

  // Until the pause is over, or the network is there again.
  function halt() {
    bar.after(...note(sentences.lost));
    window.addEventListener("online", again, { once: true });
    return true;
  }

  function goOn() {
    line.querySelector(".meta")?.remove();
    window.removeEventListener("online", again);
  }

  function again() {
    upload.transfer.abort();
    upload.transfer.start();
  }

  async function settle(answer) {
    TUS.urlStorage.removeUpload(memory);
    if (answer.status === 204) finish();
    else if (answer.json) await choose(answer.json);
    else fail(why(answer));
  }

  // The name is taken. The server keeps the bytes; the person says what shall happen. One question at a time.
  async function choose(taken) {
    const mine = zone.asking.then(async () => {
      const how = (zone.sameForAll !== "replace" || taken.may_replace) && zone.sameForAll;
      return how || question(zone, line, path, taken);
    });
    zone.asking = mine;
    const how = await mine;
    const body = new FormData();
    const fields = { do: "choose", held: taken.held, "how-0": how, "etag-0": taken.etag };
    for (const [name, value] of Object.entries(fields)) body.append(name, value);
    const headers = { "X-CSRFToken": zone.data.token, "X-Script": "1" };
    const redirect = "manual"; // to the sign-in page: not an answer
    const response = await fetch(zone.data.upload, { method: "POST", body, headers, redirect }).catch(() => null);
    if (response?.status === 204) finish();
    else if (response?.headers.get("Content-Type")?.startsWith("text/plain")) fail(await response.text());
    else fail(sentences.notSaved);
  }

  function finish() {
    upload.over = upload.done = true;
    if (zone.all.length > FEW) line.remove();
    else line.replaceChildren(`${path} ✓`);
    zone.show();
  }

  function fail(text) {
    upload.over = upload.failed = true;
    line.replaceChildren(`${path}: ${text}`);
    zone.show();
  }

  function send(method, address, headers, body = null) {
    return new Promise((resolve) => {
      const request = (upload.request = new XMLHttpRequest());
      request.open(method, address);
      for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
      const start = upload.sent;
      let before = 0;
      request.upload.onprogress = (event) => {
        zone.count(event.loaded - before);
        before = event.loaded;
        bar.value = upload.sent = start + event.loaded;
      };
      request.onloadend = () => {
        resolve(answered(request.status, request.getResponseHeader("Content-Type"), request.responseText));
      };
      request.send(body);
    });
  }

  async function rest(pause) {
    if (upload.over) throw new Refused(sentences.cancelled);
    bar.after(...note(sentences.lost));
    await new Promise((resolve) => {
      wake = resolve;
      setTimeout(resolve, PAUSES[Math.min(pause, PAUSES.length - 1)] * 1000);
      window.addEventListener("online", resolve, { once: true });
    });
    line.querySelector(".meta")?.remove();
    if (upload.over) throw new Refused(sentences.cancelled);
  }

  // What has arrived is removed, and not asked for again.
  async function giveUp() {
    const [known] = await TUS.urlStorage.findUploadsByFingerprint(memory);
    TUS.urlStorage.removeUpload(memory);
    if (known) tus.Upload.terminate(known.uploadUrl, { headers: { "X-CSRFToken": zone.data.token } }).catch(() => null);
  }
}

class Refused extends Error {}

function drawLine(upload, zone) {
  const line = zone.list.appendChild(document.createElement("li"));
  const bar = document.createElement("progress");
  bar.max = Math.max(upload.file.size, 1);
  bar.value = 0;
  bar.setAttribute("aria-label", upload.path);
  const cancel = document.createElement("button");
  Object.assign(cancel, { type: "button", className: "button quiet small", textContent: sentences.cancel });
  cancel.setAttribute("aria-label", filled(sentences.cancelOne, { path: upload.path }));
  cancel.addEventListener("click", upload.cancel);
  line.append(upload.path, " ", bar, " ", cancel);
  return [line, bar];
}

function note(text) {
  const element = document.createElement("span");
  element.className = "meta";
  element.textContent = text;
  return [" ", element];
}

function question(zone, line, path, taken) {
  return new Promise((resolve) => {
    const buttons = document.createElement("span");
    buttons.className = "toolbar";
    const all = document.createElement("input");
    all.type = "checkbox";
    const label = document.createElement("label");
    label.append(all, " ", sentences.forAll);
    const offer = (text, how) => {
      const button = buttons.appendChild(document.createElement("button"));
      Object.assign(button, { type: "button", className: "button small", textContent: text });
      button.addEventListener("click", () => {
        if (all.checked) zone.sameForAll = how;
        line.replaceChildren(path);
        resolve(how);
      });
    };
    if (taken.may_replace) offer(sentences.replace, "replace");
    offer(sentences.both, "both");
    offer(sentences.drop, "drop");
    if (zone.all.length > 1) buttons.append(label);
    line.replaceChildren(taken.error, " ", buttons);
    buttons.firstChild.focus();
  });
}

// What was dropped, with paths: [["folder/a.txt", File], …].
async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map((file) => [file.name, file]);
  const found = [];
  for (const entry of entries) await collect(entry, "", found);
  return found;
}

async function collect(entry, folder, found) {
  const path = folder + entry.name;
  if (entry.isFile) {
    found.push([path, await new Promise((resolve, reject) => entry.file(resolve, reject))]);
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return;
    for (const child of some) await collect(child, `${path}/`, found);
  }
}

// Nothing was said about the upload itself: the connection broke, or the portal is away for a moment.
function isPassing(answer) {
  return [0, 502, 503, 504].includes(answer.status);
}

// Whether tus-js-client is to ask the server how much it has, and go on from there: it got no answer, another request was
// sending, the bytes began elsewhere, or the upload is over, and a new one begins.
function isUnclear(error) {
  if (!error.originalResponse) return true;
  const answer = answerOf(error);
  if (answer.status === 404) return error.originalRequest.getMethod() === "PATCH";
  return answer.status === 423 || (answer.status === 409 && !answer.json);
}

// What the server said, of an error of tus-js-client.
function answerOf({ originalResponse: response }) {
  return answered(response.getStatus(), response.getHeader("Content-Type"), response.getBody());
}

function answered(status, type, body) {
  const isA = (wanted) => (type || "").startsWith(wanted);
  return { status, text: isA("text/plain") ? body : "", json: isA("application/json") ? JSON.parse(body) : null };
}

function why(answer) {
  return answer.text || ANSWERS[answer.status] || sentences.failed;
}

function stored(access) {
  try {
    return access();
  } catch {
    return null; // Storage is switched off: then nothing survives a reload.
  }
}

function sum(items, number) {
  return items.reduce((total, item) => total + number(item), 0);
}

function clamp(number, least, most) {
  return Math.round(Math.min(Math.max(number, least), most));
}

function size(bytes) {
  const units = [sentences.bytes, "KB", "MB", "GB", "TB"];
  const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), units.length - 1);
  return `${number(bytes / 2 ** (10 * power), power ? 1 : 0)} ${units[power]}`;
}

function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${number(seconds / 3600, 1)} h`;
}

// As the language of the page writes it.
function number(value, digits) {
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: false };
  return new Intl.NumberFormat(document.documentElement.lang, options).format(value);
}
