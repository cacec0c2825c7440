import { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { IConsoleTracker } from "@jupyterlab/console";
import type { DocumentRegistry } from "@jupyterlab/docregistry";
import { IMainMenu } from "@jupyterlab/mainmenu";
import { INotebookTracker } from "@jupyterlab/notebook";
import { IStatusBar } from "@jupyterlab/statusbar";

import { explainLostConnections } from "./connection";
import { EndDialogs } from "./dialogs";
import { watchKernels } from "./kernels";
import { Lab } from "./lab";
import { createMenu, keep } from "./menu";
import { LabNotifications } from "./notifications";
import { StatusItem } from "./statusItem";

/** A document that is being opened has no path yet. */
const SETTLED_MS = 1000;

/** The Lab's panel: status item, menu, notifications and dialogs around one polled state. */
export const panelPlugin: JupyterFrontEndPlugin<void> = {
  id: "collaboratory:plugin",
  description: "Says how long the Lab stays, and leads back to the portal.",
  autoStart: true,
  optional: [IStatusBar, IMainMenu, INotebookTracker, IConsoleTracker],
  activate: (
    app: JupyterFrontEnd,
    statusBar: IStatusBar | null,
    mainMenu: IMainMenu | null,
    notebooks: INotebookTracker | null,
    consoles: IConsoleTracker | null,
  ) => {
    const lab = new Lab(() => pathInFront(app.shell));
    const dialogs = new EndDialogs(lab);
    new LabNotifications(lab, hours => void keep(lab, hours));
    const menu = createMenu(app.commands, lab, dialogs);
    mainMenu?.addMenu(menu, true, { rank: 900 });
    statusBar?.registerStatusItem("collaboratory:left", { item: new StatusItem(lab), align: "right", rank: -100 });
    if (notebooks) {
      watchKernels(notebooks, lab);
    }
    if (consoles) {
      watchKernels(consoles, lab);
    }
    explainLostConnections(async () => (await lab.refresh()) && (lab.isSignedOut || !lab.isRunning));
    refreshWhenLookedAt(app.shell, lab);
  },
};

function refreshWhenLookedAt(shell: JupyterFrontEnd.IShell, lab: Lab): void {
  void lab.refresh();
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) {
      void lab.refresh();
    }
  });
  shell.currentChanged?.connect(() => setTimeout(() => lab.refresh(), SETTLED_MS));
}

/** Below the home; of a console or a terminal nothing. */
function pathInFront(shell: JupyterFrontEnd.IShell): string {
  const widget = shell.currentWidget as { context?: DocumentRegistry.Context } | null;
  return widget?.context?.path ?? "";
}
