import { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { IMainMenu } from "@jupyterlab/mainmenu";
import { INotebookTracker, NotebookPanel } from "@jupyterlab/notebook";
import type { KernelMessage, ServiceManager } from "@jupyterlab/services";

import { ask, findCell, IExecution, isShared, ITakeOver, kernelOf, ShownExecution } from "./executions";
import { whenConnected } from "./editingTogether";
import { addRunAndTell } from "./runAndTell";

const MOST_RECENT = 2000;
/** For what the server has just written to the file of a shared document to be merged into it. */
const SHARED_MS = 2000;

/** Shows what kernels put out while no page was there, and runs notebooks that go on without one. */
export const executionsPlugin: JupyterFrontEndPlugin<void> = {
  id: "collaboratory:executions",
  description: "Shows what ran without a page, and runs notebooks without one.",
  autoStart: true,
  requires: [INotebookTracker],
  optional: [IMainMenu],
  activate: (app: JupyterFrontEnd, notebooks: INotebookTracker, mainMenu: IMainMenu | null) => {
    const watchers = new WeakMap<NotebookPanel, MissedOutputs>();
    const watch = (panel: NotebookPanel) =>
      void watchers.set(panel, new MissedOutputs(panel, app.serviceManager as ServiceManager.IManager));
    notebooks.forEach(watch);
    notebooks.widgetAdded.connect((_, panel) => watch(panel));
    addRunAndTell(app, notebooks, mainMenu, (panel, answer) => watchers.get(panel)?.show(answer));
  },
};

/** Of one notebook: asks the server when its kernel is there, or there again, and follows what others have begun. */
class MissedOutputs {
  constructor(
    private readonly panel: NotebookPanel,
    private readonly services: ServiceManager.IManager,
  ) {
    panel.sessionContext.iopubMessage.connect((_, message) => this.take(message as KernelMessage.IIOPubMessage));
    panel.sessionContext.kernelChanged.connect(() => void this.look());
    panel.sessionContext.connectionStatusChanged.connect((_, status) => {
      if (status === "connected") {
        void this.look();
      }
    });
    void this.look();
    this.catchUpBeforeAsking();
  }

  /** Show what the server has answered. */
  show(answer: ITakeOver): void {
    for (const execution of answer.executions) {
      this.showOne(execution);
    }
  }

  private async look(): Promise<void> {
    await Promise.all([this.panel.context.ready, this.panel.sessionContext.ready, this.panel.revealed]);
    if (kernelOf(this.panel)?.connectionStatus !== "connected" || this._isLooking) {
      this._lookAgain = this._isLooking;
      return;
    }
    this._isLooking = true;
    if (isShared(this.panel)) {
      // Outputs that are put in while the room is away would be there twice when it comes back with the file's.
      await whenConnected(this.panel.context.path);
      if (!this._hasLooked) {
        await new Promise(resolve => setTimeout(resolve, SHARED_MS));
      }
    }
    this._hasLooked = true;
    await this.catchUp();
    this._isLooking = false;
    if (this._lookAgain && !this.panel.isDisposed) {
      this._lookAgain = false;
      void this.look();
    }
  }

  private async catchUp(): Promise<void> {
    const kernel = kernelOf(this.panel);
    if (!kernel) {
      return;
    }
    try {
      const given = { kernel: kernel.id, path: this.panel.context.path };
      const answer = await ask(this.services.serverSettings, "executions", given);
      if (!this.panel.isDisposed) {
        this.show(answer);
        await this.knowTheFile(answer.hashes);
      }
    } catch (error) {
      console.info("What ran without a page is not known:", error);
    }
  }

  /** JupyterLab asks whether to overwrite a file that has changed; a page that was away may not have caught up yet. */
  private catchUpBeforeAsking(): void {
    const context = this.panel.context as unknown as IContextInside;
    const raise = context._raiseConflict?.bind(context);
    if (!raise || !context._maybeSave) {
      return;
    }
    context._raiseConflict = async (file, options) => {
      await this.catchUp();
      const isOurs = file.hash !== undefined && context.contentsModel?.hash === file.hash;
      return isOurs ? context._maybeSave!(options) : raise(file, options);
    };
  }

  private showOne(execution: IExecution): void {
    const cell = findCell(this.panel, execution.cell);
    if (!cell || execution.phase === "aborted") {
      return;
    }
    const late = this._recent.filter(message => parentOf(message) === execution.message);
    const shown = new ShownExecution(cell, execution, late);
    if (execution.phase !== "done") {
      this._shown.set(execution.message, shown);
    }
  }

  private take(message: KernelMessage.IIOPubMessage): void {
    const parent = parentOf(message);
    if (this._shown.get(parent)?.take(message)) {
      this._shown.delete(parent);
    }
    this._recent.push(message);
    if (this._recent.length > MOST_RECENT) {
      this._recent.splice(0, MOST_RECENT / 2);
    }
  }

  /**
   * The file was written for this page, which has all of that: a save need not ask whether to overwrite it.
   *
   * Where anybody else has changed it, too, its hash is none of these, and JupyterLab asks as ever.
   */
  private async knowTheFile(hashes: string[]): Promise<void> {
    const context = this.panel.context as unknown as IContextInside;
    const known = context.contentsModel?.hash;
    const newest = hashes[hashes.length - 1];
    if (isShared(this.panel) || !known || known === newest || !hashes.includes(known)) {
      return;
    }
    const file = await this.services.contents.get(this.panel.context.path, { content: false, hash: true });
    if (file.hash === newest && typeof context._updateContentsModel === "function") {
      context._updateContentsModel({ ...context.contentsModel, hash: file.hash, last_modified: file.last_modified });
    }
  }

  private _isLooking = false;
  private _lookAgain = false;
  private _hasLooked = false;
  private _recent: KernelMessage.IIOPubMessage[] = [];
  private readonly _shown = new Map<string, ShownExecution>();
}

/** Of a document's context what JupyterLab keeps to itself. */
interface IContextInside {
  contentsModel: { hash?: string; last_modified: string } | null;
  _updateContentsModel?: (model: object) => void;
  _maybeSave?: (options: unknown) => Promise<unknown>;
  _raiseConflict?: (file: { hash?: string }, options: unknown) => Promise<unknown>;
}

function parentOf(message: KernelMessage.IIOPubMessage): string {
  return (message.parent_header as { msg_id?: string }).msg_id ?? "";
}
