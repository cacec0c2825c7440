import { Dialog, showDialog } from "@jupyterlab/apputils";
import type { CodeCell } from "@jupyterlab/cells";
import type { INotebookCellExecutor } from "@jupyterlab/notebook";

import { Room } from "./room";

type RunOptions = INotebookCellExecutor.IRunCellOptions;
type Run = (options: RunOptions) => Promise<boolean>;

/**
 * In the awareness of a page: what it runs, by cell, with a number higher than that of whoever ran the cell before.
 * Negative where it has given way: what it had put out comes before that word.
 */
const FIELD = "running";
/** As many cells are told; of “Run All” in a long notebook the first. */
const MOST = 100;
/** What ends within so many milliseconds is told together. */
const TELL_MS = 50;
/** A page that does not answer may be offline, or of an earlier version. */
const GIVE_WAY_MS = 5000;

/** Somebody else's page that runs a cell. */
export interface IRunner {
  name: string;
  color: string;
}

/** What this page runs of one cell: once, or again while the first run waits or goes on. */
interface IOwnRun {
  cell: CodeCell;
  rank: number;
  runs: number;
}

/** Requests to kernels whose outputs are not put into their documents any more. */
const givenWay = new WeakSet<object>();

/** Whether a cell's outputs have become somebody else's since a request. */
export function hasGivenWay(future: object): boolean {
  return givenWay.has(future);
}

function stopPuttingOut(cell: CodeCell): void {
  const future = cell.outputArea.future;
  if (future) {
    future.registerMessageHook(() => false);
    givenWay.add(future);
  }
}

/** Who runs which cell of one notebook, each with a kernel of their own; the outputs are those of who began last. */
export class Runners {
  constructor(private readonly room: Room) {
    room.document.awareness.on("change", () => this.giveWay());
  }

  /** Others who run a cell now, by its id. */
  others(): Map<string, IRunner[]> {
    const found = new Map<string, IRunner[]>();
    for (const [, { user, [FIELD]: cells }] of this.elsewhere()) {
      for (const id of Object.keys(cells ?? {})) {
        const runner = { name: user?.display_name ?? "Somebody", color: user?.color ?? "" };
        found.set(id, [...(found.get(id) ?? []), runner]);
      }
    }
    return found;
  }

  /** Run a cell, unless it runs elsewhere and the person would rather not. Whether it ran well. */
  async run(options: RunOptions, run: Run): Promise<boolean> {
    const id = options.cell.model.id;
    const runners = this.others().get(id);
    // One question for all that is run at once, and in the order of the notebook.
    this._question ??= runners ? this.ask(runners) : null;
    if (this._question && !(await this._question)) {
      return false;
    }
    const own = this.begin(options.cell as CodeCell);
    this.tell(0); // before any output
    try {
      // Race: what the others put out until they know would come into the outputs that running clears.
      await this.whenGivenWay(id);
      return own.rank > 0 && (await run(options));
    } finally {
      this.end(own);
    }
  }

  private begin(cell: CodeCell): IOwnRun {
    const { id } = cell.model;
    const before = this._own.get(id);
    if (before && before.rank > 0) {
      before.runs++;
      return before;
    }
    const own = { cell, rank: 1 + Math.max(0, ...this.ranksElsewhere(id).map(Math.abs)), runs: 1 };
    this._own.set(id, own);
    return own;
  }

  private end(own: IOwnRun): void {
    const { id } = own.cell.model;
    own.runs--;
    // Race: it may have given way, and the person has begun the cell anew since.
    if (!own.runs && this._own.get(id) === own) {
      this._own.delete(id);
      this.tell(TELL_MS);
    }
  }

  private async ask(runners: IRunner[]): Promise<boolean> {
    const names = runners.map(({ name }) => name).join(", ");
    const answer = await showDialog({
      title: `${names} ${runners.length > 1 ? "run" : "runs"} this cell now`,
      body: "Run it too, on your own kernel? Everybody then sees your outputs in place of theirs.",
      buttons: [Dialog.cancelButton(), Dialog.okButton({ label: "Run it too" })],
    });
    this._question = null;
    return answer.button.accept;
  }

  /** Outputs of a cell that somebody has begun to run later are not put into the document any more. */
  private giveWay(): void {
    const client = this.room.document.ydoc.clientID;
    for (const [id, own] of this._own) {
      for (const [other, { [FIELD]: cells }] of this.elsewhere()) {
        const theirs = cells?.[id] ?? 0;
        if (own.rank > 0 && (theirs > own.rank || (theirs === own.rank && other > client))) {
          stopPuttingOut(own.cell);
          own.rank = -own.rank;
          this.tell(TELL_MS); // behind a message that is being put out
          break;
        }
      }
    }
  }

  /** Settles when all that others have put out for a cell is here, and no more will come. */
  private async whenGivenWay(id: string): Promise<void> {
    const { awareness } = this.room.document;
    const isFree = () => this.ranksElsewhere(id).every(rank => rank <= 0);
    if (isFree()) {
      return;
    }
    await new Promise<void>(resolve => {
      const look = () => {
        if (isFree()) {
          end();
        }
      };
      const end = () => {
        clearTimeout(timer);
        awareness.off("change", look);
        resolve();
      };
      const timer = setTimeout(end, GIVE_WAY_MS);
      awareness.on("change", look);
    });
  }

  /** Others' numbers for a cell. */
  private ranksElsewhere(id: string): number[] {
    return this.elsewhere().map(([, { [FIELD]: cells }]) => Number(cells?.[id] ?? 0));
  }

  private elsewhere(): [number, Record<string, any>][] {
    const { awareness, ydoc } = this.room.document;
    return [...awareness.getStates()].filter(([client]) => client !== ydoc.clientID);
  }

  /** Within so many milliseconds; 0: as soon as all that is run at once is known. */
  private tell(milliseconds: number): void {
    clearTimeout(this._timer);
    if (milliseconds) {
      this._timer = window.setTimeout(() => this.tell(0), milliseconds);
    } else if (!this._isTelling) {
      this._isTelling = true;
      queueMicrotask(() => {
        this._isTelling = false;
        const cells = Object.fromEntries([...this._own].slice(0, MOST).map(([id, { rank }]) => [id, rank]));
        this.room.document.awareness.setLocalStateField(FIELD, cells);
      });
    }
  }

  private readonly _own = new Map<string, IOwnRun>();
  private _question: Promise<boolean> | null = null;
  private _timer = 0;
  private _isTelling = false;
}

/** Say at each cell of a notebook who else runs it. */
export function markCells(cells: readonly { model: { id: string }; node: HTMLElement }[], runners: Runners): void {
  const others = runners.others();
  for (const { model, node } of cells) {
    const text = (others.get(model.id) ?? []).map(({ name }) => `${name} runs this cell`).join(", ");
    const color = others.get(model.id)?.[0].color ?? "";
    let mark = node.querySelector<HTMLElement>(":scope > .collaboratory-CellRunner");
    if (!text) {
      mark?.remove();
      continue;
    }
    if (!mark) {
      mark = document.createElement("div");
      mark.className = "collaboratory-CellRunner";
      mark.setAttribute("role", "status");
      node.append(mark);
    }
    if (mark.textContent !== text) {
      mark.textContent = text;
      mark.style.setProperty("--collaboratory-person", color);
    }
  }
}
