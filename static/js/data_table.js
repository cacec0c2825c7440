// Tables of data: a click on a column's name sorts, a field filters; both of the rows that are shown. Without this file
// the table is there as the file has it.
(function () {
  "use strict";
  const said = document.currentScript.dataset;
  const fill = (sentence, values) => sentence.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const NUMBER = /^[-+]?(\d+[.,]?\d*|[.,]\d+)(e[-+]?\d+)?\s*%?$/i;
  const words = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

  // A number as written, with a point or a comma; NaN for anything else.
  function number(text) {
    const trimmed = text.trim();
    return NUMBER.test(trimmed) ? parseFloat(trimmed.replace(",", ".")) : NaN;
  }

  // Empty cells come last whatever the order; numbers before words.
  function compare(a, b, sign) {
    if (a.text === "" || b.text === "") return (a.text === "") - (b.text === "");
    const both = !Number.isNaN(a.number) && !Number.isNaN(b.number);
    if (both) return sign * (a.number - b.number);
    if (Number.isNaN(a.number) !== Number.isNaN(b.number)) return sign * (Number.isNaN(a.number) - Number.isNaN(b.number));
    return sign * words.compare(a.text, b.text);
  }

  function setUp(place) {
    const table = place.querySelector("table");
    const body = table.tBodies[0];
    const rows = [...body.rows];
    const columns = Math.max(0, ...rows.map((row) => row.cells.length));
    if (!table.tHead) numberColumns(table, columns);
    const heads = [...table.tHead.rows[0].cells];
    for (const [column, head] of heads.entries()) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...(head.childNodes.length ? head.childNodes : [fill(said.column, { number: column + 1 })]));
      button.addEventListener("click", () => sort(heads, head, column));
      head.replaceChildren(button);
    }

    function sort(heads, head, column) {
      const next = { none: "ascending", ascending: "descending", descending: "none" }[head.ariaSort || "none"];
      for (const other of heads) other.ariaSort = null;
      head.ariaSort = next === "none" ? null : next;
      const sign = next === "descending" ? -1 : 1;
      const keys = rows.map((row) => {
        const text = row.cells[column]?.textContent.trim() ?? "";
        return { row, text, number: number(text) };
      });
      if (next !== "none") keys.sort((a, b) => compare(a, b, sign));
      body.append(...keys.map((key) => key.row));
    }

    if (rows.length > 1) place.prepend(filter(rows));
  }

  function numberColumns(table, columns) {
    const row = table.createTHead().insertRow();
    for (let column = 1; column <= columns; column += 1) {
      const head = document.createElement("th");
      head.scope = "col";
      head.textContent = column;
      row.append(head);
    }
  }

  function filter(rows) {
    const label = document.createElement("label");
    const field = document.createElement("input");
    const found = document.createElement("span");
    field.type = "search";
    field.autocomplete = "off";
    found.setAttribute("role", "status");
    found.className = "meta";
    label.className = "toolbar";
    label.append(said.filter, " ", field, found);
    const all = fill(said.all, { all: rows.length });
    const texts = rows.map((row) => [...row.cells].map((cell) => cell.textContent).join("\n").toLowerCase());
    field.addEventListener("input", () => {
      const wanted = field.value.trim().toLowerCase();
      let count = 0;
      for (const [index, row] of rows.entries()) {
        row.hidden = !texts[index].includes(wanted);
        count += !row.hidden;
      }
      found.textContent = wanted ? fill(said.some, { number: count, all: rows.length }) : all;
    });
    found.textContent = all;
    return label;
  }

  function setUpAll(root) {
    for (const place of root.querySelectorAll("[data-table]")) {
      if (place.dataset.ready) continue;
      place.dataset.ready = "yes";
      setUp(place);
    }
  }

  setUpAll(document);
  document.addEventListener("htmx:load", (event) => setUpAll(event.target.parentElement || document));
})();
