import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { IEditorExtensionRegistry } from "@jupyterlab/codemirror";
import { PageConfig } from "@jupyterlab/coreutils";
import { INotebookCellExecutor, INotebookTracker, runCell } from "@jupyterlab/notebook";
import { IStatusBar } from "@jupyterlab/statusbar";

import { whenKernelIsThere } from "./kernels";
import { isSimpleView } from "./simpleView";

/** What the rest of the extension may ask of the rooms. */
export interface IRooms {
  /** Whether the document at this path below the home is one that others edit, too. */
  isShared(path: string): boolean;
  /** Settles when the document at this path has what its room has; at once where it is in none. */
  whenConnected(path: string): Promise<void>;
  run: (options: INotebookCellExecutor.IRunCellOptions, run: typeof runCell) => Promise<boolean>;
}

let rooms: IRooms | null = null;

/** Whether the document at this path below the home is edited in a room now. */
export function isEditedTogether(path: string): boolean {
  return rooms?.isShared(path) ?? false;
}

/** Settles when the document at this path has what its room has; at once where it is in none. */
export async function whenConnected(path: string): Promise<void> {
  await rooms?.whenConnected(path);
}

/**
 * Opens documents of the Drive in rooms, in which several people edit them at once (rooms/, src/rooms/).
 *
 * Nothing of it is loaded where the site has it off.
 */
export const editingTogetherPlugin: JupyterFrontEndPlugin<void> = {
  id: "collaboratory:editing-together",
  description: "Edits documents of the Drive together with others.",
  autoStart: true,
  optional: [IStatusBar, INotebookTracker, IEditorExtensionRegistry],
  activate: async (
    app: JupyterFrontEnd,
    statusBar: IStatusBar | null,
    notebooks: INotebookTracker | null,
    editorExtensions: IEditorExtensionRegistry | null,
  ) => {
    if (PageConfig.getOption("collaboratoryRooms") === "true" && isNewEnough(app.version)) {
      const { openInRooms } = await import("./rooms");
      rooms = openInRooms(app, { statusBar, notebooks, editorExtensions });
    }
  },
};

/**
 * Documents of earlier JupyterLabs, which an environment may have, are made in another way. Jupyter Notebook 7 has what
 * JupyterLab 4 has, with the same minor version.
 */
function isNewEnough(version: string): boolean {
  const [major, minor] = version.split(".").map(Number);
  const least = isSimpleView() ? 7 : 4;
  return major > least || (major === least && minor >= 6);
}

/** In place of JupyterLab's: runs a cell in the same way, but asks first where somebody else is running it. */
export const executorPlugin: JupyterFrontEndPlugin<INotebookCellExecutor> = {
  id: "collaboratory:cell-executor",
  description: "Runs the cells of notebooks.",
  autoStart: true,
  provides: INotebookCellExecutor,
  activate: () => ({
    runCell: async options => {
      await whenKernelIsThere(options);
      return rooms ? rooms.run(options, runCell) : runCell(options);
    },
  }),
};
