import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { Notification } from "@jupyterlab/apputils";
import { PathExt } from "@jupyterlab/coreutils";
import type { DocumentRegistry } from "@jupyterlab/docregistry";
import { IDefaultFileBrowser } from "@jupyterlab/filebrowser";
import type { Contents, ContentsManager } from "@jupyterlab/services";
import type { ISignal, Signal } from "@lumino/signaling";

/** Of the server's events (lab/supervisor/inside/drive_changes.py). */
const SCHEMA = "https://schema.collaboratory/drive/v1";

/** Paths below the home, of libraries. */
interface IDriveChange {
  moved: { from: string; to: string }[];
  /** Can be written to since, or cannot. */
  changed: string[];
}

/** Open documents follow a library that gets another name, and say when it can no longer be written to, or can again. */
export const driveChangesPlugin: JupyterFrontEndPlugin<void> = {
  id: "collaboratory:drive-changes",
  description: "Follows changes of the Drive into open documents.",
  autoStart: true,
  optional: [IDefaultFileBrowser],
  activate: (app: JupyterFrontEnd, browser: IDefaultFileBrowser | null) => {
    const contents = app.serviceManager.contents as ContentsManager;
    app.serviceManager.events.stream.connect((_, event) => {
      if (event.schema_id === SCHEMA) {
        const change = event as unknown as IDriveChange;
        void showWhereItIs(browser, change).then(() => follow(app.shell, contents, change));
      }
    });
  },
};

/** The file browser goes along; it would find nothing, say so in a dialog and begin anew at the home. */
async function showWhereItIs(browser: IDefaultFileBrowser | null, { moved }: IDriveChange): Promise<void> {
  const shown = browser?.model.path ?? "";
  const move = moved.find(({ from }) => isBelow(`${shown}/`, from));
  if (move) {
    await browser?.model.cd(`/${move.to}${shown.slice(move.from.length)}`);
  }
}

async function follow(shell: JupyterFrontEnd.IShell, contents: ContentsManager, change: IDriveChange): Promise<void> {
  for (const context of openDocuments(shell)) {
    const before = context.path;
    const after = movedPath(before, change);
    if (after !== before || change.changed.some(folder => isBelow(before, folder) || isBelow(after, folder))) {
      await update(context, after, contents);
    }
  }
}

/** The documents of all tabs; of several of one document it is there once. */
function openDocuments(shell: JupyterFrontEnd.IShell): Set<DocumentRegistry.Context> {
  const widgets = [...shell.widgets("main")] as { context?: DocumentRegistry.Context }[];
  return new Set(widgets.flatMap(({ context }) => (context?.contentsModel ? [context] : [])));
}

function movedPath(path: string, { moved }: IDriveChange): string {
  const move = moved.find(({ from }) => isBelow(path, from));
  return move ? move.to + path.slice(move.from.length) : path;
}

function isBelow(path: string, folder: string): boolean {
  return path.startsWith(`${folder}/`);
}

/** As JupyterLab tells its documents that they were renamed, which takes what else is new about them with it. */
async function update(context: DocumentRegistry.Context, after: string, contents: ContentsManager): Promise<void> {
  const before = context.path;
  const was = context.contentsModel?.writable;
  const { writable } = await contents.get(after, { content: false });
  const change = {
    type: "rename",
    oldValue: { path: before },
    newValue: { path: after, name: PathExt.basename(after), writable },
  };
  const signal = after === before ? contents.fileChanged : contents.defaultDrive.fileChanged;
  (signal as AnySignal).emit(change as Contents.IChangedArgs);
  const name = `“${PathExt.basename(after)}”`;
  if (after !== before) {
    Notification.info(`${name} is in “${PathExt.dirname(after).replace(/^drive\//, "")}” now.`, { autoClose: false });
  }
  if (writable !== was) {
    Notification.info(writable ? `You can change ${name} now.` : `${name} is read-only from now on.`, {
      autoClose: false,
    });
  }
}

type AnySignal = Signal<unknown, Contents.IChangedArgs> & ISignal<unknown, Contents.IChangedArgs>;
