import type { CodeCell } from "@jupyterlab/cells";
import type { NotebookPanel } from "@jupyterlab/notebook";
import type { Kernel, KernelMessage, ServerConnection } from "@jupyterlab/services";

import { hasGivenWay } from "./rooms/runners";

/* What goes on in kernels, as our part of the Jupyter server knows it (lab/supervisor/inside/running.py). */

/** One request for a cell, with what its kernel has put out so far. */
export interface IExecution {
  /** Id of the request, which its messages name as their parent. */
  message: string;
  cell: string;
  phase: "waiting" | "running" | "done" | "aborted";
  count: number | null;
  outputs: { kind: string; content: Record<string, unknown> }[];
  /** Ids of the messages that are part of `outputs`, the last of many. */
  seen: string[];
}

export interface ITakeOver {
  executions: IExecution[];
  /** Of the file: before it was written for absent pages, and after each time. */
  hashes: string[];
}

/** Ask the Jupyter server; an Error with its reason when it refuses. */
export async function ask(
  settings: ServerConnection.ISettings,
  what: "executions" | "runs",
  given: object,
): Promise<ITakeOver> {
  const address = `${settings.baseUrl}api/collaboratory/${what}`;
  const init = { ...settings.init, method: "POST", body: JSON.stringify(given), headers: headers(settings) };
  const answer = await settings.fetch.call(null, address, init);
  if (!answer.ok) {
    const said = await answer.json().catch(() => ({}));
    throw new Error(said.message ?? `The Jupyter server answered ${answer.status}.`);
  }
  return answer.json();
}

function headers(settings: ServerConnection.ISettings): Record<string, string> {
  const given: Record<string, string> = { "Content-Type": "application/json" };
  const token = document.cookie.match(/\b_xsrf=([^;]*)/)?.[1];
  if (token) {
    given["X-XSRFToken"] = token;
  }
  return settings.token ? { ...given, Authorization: `token ${settings.token}` } : given;
}

type Future = NonNullable<CodeCell["outputArea"]["future"]>;

/** Stands in an output area for the future of a request that this page has not made. */
class ForeignFuture {
  constructor(readonly msg: { header: { msg_id: string } }) {
    this.done = new Promise(resolve => (this._resolve = resolve));
  }

  readonly done: Promise<void>;
  isDisposed = false;
  onIOPub: (message: KernelMessage.IIOPubMessage) => void = () => undefined;
  onReply: unknown = () => undefined;
  onStdin: unknown = () => undefined;

  registerMessageHook(): void {}

  removeMessageHook(): void {}

  sendInputReply(): void {}

  dispose(): void {
    this.isDisposed = true;
    this._resolve();
  }

  private _resolve: () => void = () => undefined;
}

/** Shows in a cell what an execution has put out that this page did not see, and what it puts out from now on, once. */
export class ShownExecution {
  /** `late`: messages of it that this page has had, and that may not be part of its outputs. */
  constructor(
    private readonly cell: CodeCell,
    private readonly execution: IExecution,
    late: KernelMessage.IIOPubMessage[],
  ) {
    this._seen = new Set(execution.seen);
    const own = cell.outputArea.future as Future | null | undefined;
    this._isOwn = !!own && !own.isDisposed && own.msg.header.msg_id === execution.message;
    if (!this._isOwn && execution.phase === "waiting") {
      this.say("running");
      late.forEach(message => this.take(message)); // it may have begun before we were told of it
      return;
    }
    if (execution.phase === "done" && late.length === 0 && shows(cell, execution)) {
      this.say("idle"); // which a page that is gone may have left otherwise in a shared document
      return;
    }
    if (this._isOwn && own) {
      this._future = own as unknown as ForeignFuture;
      own.registerMessageHook(message => !this._seen.has(message.header.msg_id));
      if (hasGivenWay(own) || !isToBeShown(cell, execution)) {
        return;
      }
    }
    this.begin(late);
  }

  /** A message of the execution. Whether it was the last. */
  take(message: KernelMessage.IIOPubMessage): boolean {
    if (this._isOwn) {
      return isIdle(message); // the page's own future shows it
    }
    if (this._seen.has(message.header.msg_id) || this.cell.isDisposed) {
      return this.cell.isDisposed;
    }
    this._seen.add(message.header.msg_id);
    if (message.header.msg_type === "execute_input") {
      this.execution.count = (message.content as { execution_count: number }).execution_count;
      if (!this._future) {
        this.begin([]);
      }
    } else if (isIdle(message)) {
      this.end();
      return true;
    } else {
      this._future?.onIOPub(message);
    }
    return false;
  }

  private begin(late: KernelMessage.IIOPubMessage[]): void {
    const area = this.cell.outputArea;
    this.cell.model.trusted = true; // as after any run: the person's own kernel has made it
    if (!this._isOwn) {
      this._future = new ForeignFuture({ header: { msg_id: this.execution.message } });
      area.future = this._future as unknown as Future;
      this.say("running");
    } else {
      area.model.clear();
    }
    for (const { kind, content } of this.execution.outputs) {
      this._future?.onIOPub({ header: { msg_type: kind }, content } as unknown as KernelMessage.IIOPubMessage);
    }
    for (const message of late.filter(one => !this._seen.has(one.header.msg_id))) {
      this._isOwn ? this._future?.onIOPub(message) : this.take(message);
    }
    if (this.execution.phase === "done" && !this._isOwn) {
      this.end();
    }
  }

  private end(): void {
    this.cell.model.executionCount = this.execution.count;
    this.say("idle");
    this._future?.dispose();
  }

  private say(state: "running" | "idle"): void {
    if ("executionState" in this.cell.model) {
      this.cell.model.executionState = state;
    }
  }

  private readonly _seen: Set<string>;
  private readonly _isOwn: boolean;
  private _future: ForeignFuture | null = null;
}

/** Whether a cell has just these outputs: then nothing is made anew, which others in a shared document would see. */
function shows(cell: CodeCell, execution: IExecution): boolean {
  const [here, there] = [outputsOf(cell), outputsOfExecution(execution)];
  return cell.model.executionCount === execution.count && JSON.stringify(here) === JSON.stringify(there);
}

/**
 * Whether a cell that this page runs lacks some of these outputs, and has not got others' instead: whoever puts theirs
 * into a shared document takes the cell's trust away, also where the server has written a beginning of ours.
 */
function isToBeShown(cell: CodeCell, execution: IExecution): boolean {
  const [here, there] = [outputsOf(cell), outputsOfExecution(execution)];
  const isSame = JSON.stringify(here) === JSON.stringify(there);
  return !isSame && (cell.model.trusted || isBeginning(here, there));
}

/** Of a list of outputs; of its last one, text may be a part. */
function isBeginning(some: unknown[][], all: unknown[][]): boolean {
  const parts = some.map((output, number) => {
    const [kind, name, text, ...rest] = output;
    const whole = all[number]?.[2];
    const isLast = number === some.length - 1 && typeof text === "string" && typeof whole === "string";
    return isLast && whole.startsWith(text) ? [kind, name, whole, ...rest] : output;
  });
  return JSON.stringify(parts) === JSON.stringify(all.slice(0, some.length));
}

function outputsOf(cell: CodeCell): unknown[][] {
  return cell.model.outputs.toJSON().map(output => summary(output.output_type as string, output));
}

function outputsOfExecution(execution: IExecution): unknown[][] {
  return execution.outputs.map(({ kind, content }) => summary(kind, content));
}

function summary(kind: string, output: object): unknown[] {
  const { name, text, data, ename, evalue } = output as Record<string, unknown>;
  return [kind, name, Array.isArray(text) ? text.join("") : text, data, ename, evalue];
}

function isIdle(message: KernelMessage.IIOPubMessage): boolean {
  const content = message.content as { execution_state?: string };
  return message.header.msg_type === "status" && content.execution_state === "idle";
}

/** The code cell with an id, if there is one. */
export function findCell(panel: NotebookPanel, id: string): CodeCell | null {
  const found = panel.content.widgets.find(cell => cell.model.id === id);
  return found?.model.type === "code" ? (found as CodeCell) : null;
}

/** Whether others may edit the notebook at the same time: outside the Drive nobody can, whatever its model says. */
export function isShared(panel: NotebookPanel): boolean {
  return (panel.content.model?.collaborative ?? false) && panel.context.path.startsWith("drive/");
}

/** The kernel of a notebook, once it has one. */
export function kernelOf(panel: NotebookPanel): Kernel.IKernelConnection | null {
  return panel.sessionContext.session?.kernel ?? null;
}
