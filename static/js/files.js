// The list of a folder: select all, what is selected, rename in place, and the keys. Without this file links and forms do it.
"use strict";

const words = document.currentScript.dataset;
const fill = (sentence, values) => sentence.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const list = document.querySelector("table.files");
const rows = list ? [...list.tBodies[0].rows] : [];
const selection = document.getElementById("selection");
const menu = document.getElementById("row-menu");
const renaming = document.getElementById("rename");
const keys = document.getElementById("keys");

const box = (row) => row.querySelector("input[type=checkbox]");
const handle = (row) => row.querySelector("td.name a") || box(row);
const boxes = rows.map(box);
const all = rows.length ? selectAllBox(list.querySelector("[data-select-all]")) : null;

function selectAllBox(link) {
  const input = document.createElement("input");
  input.type = "checkbox";
  input.setAttribute("aria-label", words.all);
  input.addEventListener("change", () => {
    pick(input.checked);
  });
  link.replaceWith(input);
  return input;
}

function tell() {
  const chosen = rows.filter((row, index) => boxes[index].checked);
  for (const [index, row] of rows.entries()) row.classList.toggle("selected", boxes[index].checked);
  selection.hidden = !chosen.length;
  selection.querySelector("[data-selected]").textContent = described(chosen);
  all.checked = chosen.length === boxes.length;
  all.indeterminate = chosen.length > 0 && chosen.length < boxes.length;
}

// "3 files (2.4 MB), 1 folder": what is in a folder is not counted.
function described(chosen) {
  const folders = chosen.filter((row) => row.querySelector("td.name a.folder")).length;
  const files = chosen.length - folders;
  const bytes = chosen.reduce((sum, row) => sum + Number(box(row).dataset.bytes || 0), 0);
  const parts = [];
  if (files) parts.push(fill(files === 1 ? words.file : words.files, { number: files, size: size(bytes) }));
  if (folders) parts.push(fill(folders === 1 ? words.folder : words.folders, { number: folders }));
  return parts.join(", ");
}

function size(bytes) {
  const units = [words.bytes, "KB", "MB", "GB", "TB"];
  const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), units.length - 1);
  const digits = power ? 1 : 0;
  const format = new Intl.NumberFormat(document.documentElement.lang, {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
    useGrouping: false,
  });
  return `${format.format(bytes / 2 ** (10 * power))} ${units[power]}`;
}

function pick(all) {
  for (const one of boxes) one.checked = all;
  tell();
}

// Shift and a click select all rows from the one ticked before.
let ticked = -1;
function tick(event, index) {
  if (event.shiftKey && ticked >= 0) {
    const [from, to] = [Math.min(ticked, index), Math.max(ticked, index)];
    for (const one of boxes.slice(from, to + 1)) one.checked = boxes[index].checked;
  }
  ticked = index;
  tell();
}

// The menu of a row: one for all of them, filled when it is opened.
function showMenu(link) {
  const row = link.closest("tr");
  const opens = row.querySelector("td.name a");
  const isFile = opens?.classList.contains("file");
  const name = link.dataset.name;
  const address = opens?.getAttribute("href");
  document.getElementById("row-menu-title").textContent = name;
  menu.querySelector("[name=name]").value = link.dataset.entry;
  offer("open", address);
  offer("lab", address && `${menu.dataset.lab}?path=${encodeURIComponent(`${menu.dataset.labFolder}/${name}`)}`);
  offer("download", address && `${address}?show=${isFile ? "raw" : "zip"}`);
  offer("share", address && linkTo(name));
  offer("versions", isFile && `${address}?show=versions`);
  offer("rename", link.href);
  offerCopy("link", address && new URL(address, location).href);
  offerCopy("path", address && pathOf(name));
  offerCopy("lab-path", address && `~/drive/${menu.dataset.labFolder}/${name}`);
  menu.returnTo = link;
  menu.showPopover();
  place(menu, link.getBoundingClientRect());
  items()[0].focus();
}

function offer(name, address) {
  const item = menu.querySelector(`a[data-${name}]`);
  if (!item) return;
  item.hidden = !address;
  if (address) item.href = address;
}

function offerCopy(name, text) {
  const item = menu.querySelector(`button[data-${name}]`);
  if (!item) return;
  item.hidden = !text;
  item.dataset.copyText = text || "";
}

const pathOf = (name) => (list.dataset.inside ? `${list.dataset.inside}/${name}` : name);

// The page that makes a public link: the bar's own, for what is in the folder.
function linkTo(name) {
  if (!menu.dataset.links) return "";
  const address = new URL(menu.dataset.links, location);
  address.searchParams.set("path", pathOf(name));
  return address.href;
}

// Beside its button; on a narrow screen the style sheet puts it at the foot.
function place(element, button) {
  if (window.innerWidth <= 640) {
    element.removeAttribute("style");
    return;
  }
  const top = Math.min(button.bottom + 4, window.innerHeight - element.offsetHeight - 8);
  element.style.top = `${Math.max(8, top)}px`;
  element.style.left = `${Math.max(8, button.right - element.offsetWidth)}px`;
}

const items = () => [...menu.querySelectorAll(".item")].filter((item) => !item.hidden);

function rename(link) {
  const name = link.dataset.name;
  document.getElementById("rename-title").textContent = fill(words.renaming, { name });
  renaming.querySelector("[name=old]").value = link.dataset.entry;
  const field = document.getElementById("change-name");
  field.value = name;
  renaming.returnTo = link;
  renaming.showPopover();
  field.focus();
  const dot = name.lastIndexOf(".");
  field.setSelectionRange(0, dot > 0 ? dot : name.length);
}

function listenToMenu() {
  for (const link of list.querySelectorAll("[data-entry]")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      showMenu(link);
    });
  }
  menu?.querySelector("[data-rename]")?.addEventListener("click", (event) => {
    event.preventDefault();
    const link = menu.returnTo;
    menu.hidePopover();
    rename(link);
  });
  window.addEventListener("resize", () => menu?.hidePopover()); // it would stay where its button was
  menu?.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const all = items();
    all[(all.indexOf(document.activeElement) + step + all.length) % all.length].focus();
  });
  for (const sheet of [menu, renaming].filter(Boolean)) {
    sheet.addEventListener("toggle", (event) => {
      if (event.newState === "closed" && !document.querySelector("[popover]:popover-open")) sheet.returnTo?.focus();
    });
  }
}

if (rows.length) {
  for (const [index, one] of boxes.entries()) one.addEventListener("click", (event) => tick(event, index));
  listenToMenu();
  selection.classList.add("floating");
  window.addEventListener("pageshow", tell); // a page that one comes back to keeps its ticks
  tell();
}

// The keys. The focus itself moves, so a screen reader says where it is.
const current = () => rows.findIndex((row) => row.contains(document.activeElement));

function go(step) {
  const at = current();
  const next = at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + step));
  handle(rows[next])?.focus();
  rows[next]?.scrollIntoView({ block: "nearest" });
  return true;
}

// Shift and an arrow: this row and the next one are selected.
function extend(step) {
  const at = current();
  if (at >= 0) boxes[at].checked = true;
  go(step);
  boxes[current()].checked = true;
  tell();
}

function remove() {
  const button = selection.querySelector("[value=delete]");
  if (!button) return;
  const at = current();
  if (!boxes.some((one) => one.checked) && at >= 0) boxes[at].checked = true;
  tell();
  if (!selection.hidden) selection.requestSubmit(button);
}

const actions = {
  ArrowDown: () => go(1),
  ArrowUp: () => go(-1),
  Home: () => current() >= 0 && go(-rows.length), // else the page's own
  End: () => current() >= 0 && go(rows.length),
  j: () => go(1),
  k: () => go(-1),
  " ": () => {
    const at = current();
    if (at < 0) return false;
    boxes[at].click();
  },
  Delete: remove,
  F2: () => {
    const link = rows[current()]?.querySelector("[data-entry]");
    if (!link || !renaming) return false;
    rename(link);
  },
  Escape: () => {
    if (!boxes.some((one) => one.checked)) return false;
    pick(false);
  },
  f: () => document.getElementById("find")?.focus(),
  m: () => {
    const link = rows[current()]?.querySelector("[data-entry]");
    if (!link) return false;
    showMenu(link);
  },
  "?": () => keys?.showPopover(),
};

const typing = "input:not([type=checkbox]), select, textarea, [popover]:popover-open, dialog[open], details[open], [contenteditable]";
const elsewhere = "button, summary, header a"; // these keep their own Space
document.addEventListener("keydown", (event) => {
  if (event.altKey || event.defaultPrevented) return;
  if (event.target.closest(typing) || (event.key === " " && event.target.closest(elsewhere))) return;
  if (event.ctrlKey || event.metaKey) {
    if (event.key !== "a" || event.shiftKey || !rows.length) return;
    event.preventDefault();
    pick(true);
    return;
  }
  const step = event.shiftKey && { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const action = step ? () => extend(step) : Object.hasOwn(actions, event.key) ? actions[event.key] : null;
  const needsRows = !["f", "?"].includes(event.key);
  if (!action || (needsRows && !rows.length)) return;
  if (action() !== false) event.preventDefault();
});
