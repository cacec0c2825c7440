import type { ICellModel } from "@jupyterlab/cells";
import type { NotebookModel } from "@jupyterlab/notebook";
import * as Y from "yjs";

import { Room } from "./room";

/**
 * Trust nothing that comes from another page: JupyterLab lets the outputs of a trusted cell run scripts, and a cell
 * is trusted once its person has run it. Whoever writes outputs into such a cell from elsewhere would run their
 * script here, as this person. So a cell loses its trust the moment before outputs from elsewhere come into it.
 */
export function distrustOthers(model: NotebookModel, room: Room): void {
  let isRemote = false;
  const { ydoc } = room.document;
  // Before JupyterLab's observers, which put the new outputs onto the page.
  const onChange = (transaction: Y.Transaction) => {
    isRemote = room.isRemote(transaction);
    const ids = isRemote ? cellsWithNewOutputs(transaction, ydoc.getArray("cells")) : new Set();
    for (const cell of ids.size ? model.cells : []) {
      if (cell.trusted && ids.has(cell.id)) {
        distrust(cell);
      }
    }
  };
  ydoc.on("beforeObserverCalls", onChange);
  model.cells.changed.connect((_, { type, newValues }) => {
    if (isRemote && (type === "add" || type === "set")) {
      newValues.filter(cell => cell.trusted).forEach(distrust);
    }
  });
}

/** Ids of the cells whose outputs a transaction changed, or replaced. */
function cellsWithNewOutputs(transaction: Y.Transaction, cells: Y.Array<Y.Map<unknown>>): Set<unknown> {
  const found = new Set<unknown>();
  for (const [changed, keys] of transaction.changed) {
    const [cell, inner] = cellAround(changed, cells);
    if (cell && (inner ? inner === cell.get("outputs") : keys.has("outputs"))) {
      found.add(cell.get("id"));
    }
  }
  return found;
}

/** The cell that a shared type is in, and the part of the cell; nothing of what is in no cell. */
function cellAround(
  type: Y.AbstractType<any>,
  cells: Y.Array<Y.Map<unknown>>,
): [Y.Map<unknown> | null, Y.AbstractType<any> | null] {
  let inner: Y.AbstractType<any> | null = null;
  let outer: Y.AbstractType<any> | null = type;
  while (outer && outer.parent !== cells) {
    [inner, outer] = [outer, outer.parent];
  }
  return [outer as Y.Map<unknown> | null, inner];
}

/** Without a word to the others: JupyterLab would write the outputs, made anew for the page, into the document. */
function distrust(cell: ICellModel): void {
  const shared = cell.sharedModel as { updateOutputs?: unknown };
  Object.defineProperty(shared, "updateOutputs", { value: () => undefined, configurable: true });
  try {
    cell.trusted = false;
  } finally {
    delete shared.updateOutputs;
  }
}
