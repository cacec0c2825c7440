// Where to move or copy: a tree of folders in a dialog, loaded as it is opened. Without this file the form's own pages do it.
"use strict";

(() => {
  const dialog = document.getElementById("destination");
  if (!dialog) return;
  const tree = dialog.querySelector("[role=tree]");
  const form = dialog.querySelector("form");
  const state = dialog.querySelector("[data-state]");
  const go = dialog.querySelector("[name=go]");
  const words = dialog.dataset;
  let asked = null; // the form and the button that opened it
  let what = "move";
  let letters = "";
  let typedAt = 0;

  const items = (within = tree) => [...within.querySelectorAll(":scope [role=treeitem]")];
  const visible = () => items().filter((item) => !item.parentElement.closest("[role=treeitem][aria-expanded=false]"));
  const label = (item) => item.dataset.name;
  const above = (item) => item.parentElement.closest("[role=treeitem]");
  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

  async function load(at) {
    const address = new URL(words.folders, location);
    if (at !== null) address.searchParams.set("at", at);
    const answer = await fetch(address, { headers: { Accept: "application/json" }, redirect: "error" });
    if (!answer.ok) throw new Error(await answer.text());
    return answer.json();
  }

  function itemOf(folder, level) {
    const item = document.createElement("li");
    item.setAttribute("role", "treeitem");
    item.setAttribute("aria-level", level);
    item.setAttribute("aria-selected", "false");
    item.setAttribute("aria-expanded", "false");
    item.tabIndex = -1;
    item.setAttribute("aria-label", folder.kind ? `${folder.name}, ${folder.kind}` : folder.name);
    Object.assign(item.dataset, { at: folder.at, name: folder.name });
    const name = document.createElement("span");
    name.className = "item k-folder";
    name.textContent = folder.name;
    if (folder.kind) {
      const where = document.createElement("small");
      where.className = "meta";
      where.textContent = folder.kind;
      name.append(" ", where);
    }
    item.append(name);
    return item;
  }

  // What is moved goes into none of itself.
  function isMoved(at) {
    if (what !== "move" || !words.at) return false;
    const chosen = new FormData(form).getAll("name");
    return chosen.some((name) => at === words.at + (words.at.endsWith("/") ? "" : "%2F") + name);
  }

  async function expand(item) {
    if (item.getAttribute("aria-expanded") !== "false") return;
    if (!item.querySelector("ul")) {
      if (item.ariaBusy === "true") return;
      item.ariaBusy = "true";
      const waits = setTimeout(() => say(words.loading), 400);
      try {
        const found = await load(item.dataset.at);
        const group = document.createElement("ul");
        group.setAttribute("role", "group");
        const level = Number(item.getAttribute("aria-level")) + 1;
        group.append(...found.folders.filter((folder) => !isMoved(folder.at)).map((folder) => itemOf(folder, level)));
        say(found.more ? words.more : "");
        if (!group.children.length) {
          item.removeAttribute("aria-expanded"); // nothing is in it
          return;
        }
        item.append(group);
      } catch (error) {
        say(words.failed);
        return;
      } finally {
        clearTimeout(waits);
        item.removeAttribute("aria-busy");
      }
    }
    item.setAttribute("aria-expanded", "true");
  }

  function collapse(item) {
    item.setAttribute("aria-expanded", "false");
    if (item !== chosen() && item.contains(chosen())) choose(item);
  }

  const chosen = () => tree.querySelector("[aria-selected=true]");

  function choose(item, focus = true) {
    for (const one of items()) {
      one.setAttribute("aria-selected", String(one === item));
      one.tabIndex = one === item ? 0 : -1;
    }
    form.elements.to.value = item.dataset.at;
    allow();
    go.textContent = fill(words[`${what}To`], { place: label(item) });
    if (focus) item.focus();
    item.firstElementChild.scrollIntoView({ block: "nearest" });
  }

  // Nothing is moved to where it is, unless into a new folder there.
  function allow() {
    const { to, new_folder: made } = form.elements;
    go.disabled = !to.value || (what === "move" && to.value === words.at && !made.value.trim());
  }

  function say(text) {
    state.textContent = text;
  }

  // Opens the way down to the folder that the page shows.
  async function openTheWay() {
    let item = items().find((one) => leadsTo(one.dataset.at)) || items()[0];
    if (!item) return say(words.none);
    choose(item);
    while (leadsTo(item.dataset.at)) {
      if (item.dataset.at === words.at) break;
      await expand(item);
      const next = items(item).find((one) => above(one) === item && leadsTo(one.dataset.at));
      if (!next || !dialog.open) break;
      item = next;
      choose(item);
    }
    await expand(item);
  }

  const leadsTo = (at) => words.at === at || words.at.startsWith(at.endsWith("/") ? at : `${at}%2F`);

  async function open(source, button) {
    asked = [source, button];
    what = button.value;
    form.action = source.action;
    form.elements.do.value = what;
    for (const old of form.querySelectorAll("[name=name]")) old.remove();
    const names = new FormData(source).getAll("name");
    for (const name of names) {
      const field = document.createElement("input");
      Object.assign(field, { type: "hidden", name: "name", value: name });
      form.append(field);
    }
    const one = names.length === 1 ? shown(names[0]) : null;
    const title = one === null ? words[`${what}Many`] : words[`${what}One`];
    dialog.querySelector("h2").textContent = fill(title, { name: one, count: names.length });
    tree.replaceChildren();
    go.disabled = true;
    go.textContent = fill(words[`${what}To`], { place: "…" });
    form.elements.to.value = form.elements.new_folder.value = "";
    dialog.showModal();
    say(words.loading);
    try {
      const found = await load(null);
      say("");
      tree.append(...found.folders.map((folder) => itemOf(folder, 1)));
      await openTheWay();
    } catch (error) {
      otherwise();
    }
  }

  function shown(field) {
    try {
      return decodeURIComponent(field);
    } catch (error) {
      return field; // a name that is no UTF-8
    }
  }

  // The page that asks the same.
  function otherwise() {
    const [source, button] = asked;
    dialog.close();
    source.dataset.asksOnPage = "";
    source.requestSubmit(button);
  }

  function step(event, item) {
    const shownItems = visible();
    const at = shownItems.indexOf(item);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: shownItems.length - 1 }[event.key];
    if (to !== undefined) return shownItems[to] && choose(shownItems[to]);
    if (event.key === "ArrowRight") {
      if (item.getAttribute("aria-expanded") === "true") return choose(items(item)[0]);
      return expand(item);
    }
    if (event.key === "ArrowLeft") {
      if (item.getAttribute("aria-expanded") === "true") return collapse(item);
      return above(item) && choose(above(item));
    }
    if (event.key === "Enter") return go.disabled ? undefined : form.requestSubmit(go);
    if (event.key === " ") return item.getAttribute("aria-expanded") === "true" ? collapse(item) : expand(item);
    if (event.key.length !== 1) return undefined;
    letters = event.timeStamp - typedAt > 700 ? event.key : letters + event.key;
    typedAt = event.timeStamp;
    const begins = (one) => label(one).toLocaleLowerCase().startsWith(letters.toLocaleLowerCase());
    const from = letters.length > 1 ? at : at + 1;
    const found = [...shownItems.slice(from), ...shownItems.slice(0, from)].find(begins);
    return found && choose(found);
  }

  const keys = ["ArrowDown", "ArrowUp", "ArrowLeft", "ArrowRight", "Home", "End", "Enter", " "];
  tree.addEventListener("keydown", (event) => {
    const item = event.target.closest("[role=treeitem]");
    if (!item || event.ctrlKey || event.metaKey || event.altKey) return;
    if (keys.includes(event.key) || event.key.length === 1) {
      event.preventDefault();
      step(event, item);
    }
  });
  tree.addEventListener("click", (event) => {
    const item = event.target.closest("[role=treeitem]");
    if (!item) return;
    const wasChosen = item === chosen();
    choose(item);
    if (wasChosen && item.getAttribute("aria-expanded") === "true") collapse(item);
    else expand(item);
  });
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    const menu = asked?.[0].closest("[popover]");
    (menu ? menu.returnTo : asked?.[1])?.focus();
  });
  form.addEventListener("submit", (event) => {
    if (go.disabled) event.preventDefault();
  });
  form.elements.new_folder.addEventListener("input", allow);
  document.addEventListener("submit", (event) => {
    const { target, submitter } = event;
    if (event.defaultPrevented || submitter?.name !== "do" || !["move", "copy"].includes(submitter.value)) return;
    if ("asksOnPage" in target.dataset || target === form) return;
    if (!new FormData(target).has("name")) return;
    event.preventDefault();
    const menu = target.closest("[popover]:popover-open");
    menu?.hidePopover();
    target.closest("details[open]")?.removeAttribute("open");
    open(target, submitter);
  });
})();
