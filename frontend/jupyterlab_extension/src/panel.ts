import { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { IConsoleTracker } from "@jupyterlab/console";
import { IMainMenu } from "@jupyterlab/mainmenu";
import { INotebookTracker } from "@jupyterlab/notebook";
import { IStatusBar } from "@jupyterlab/statusbar";

import { explainLostConnections } from "./connection";
import { EndDialogs } from "./dialogs";
import { watchKernels } from "./kernels";
import { Lab } from "./lab";
import { createMenu, keep } from "./menu";
import { LabNotifications } from "./notifications";
import { isSimpleView, JupyterLabLink, pathInFront, showStatus } from "./simpleView";
import { StatusItem } from "./statusItem";

/** Behind the states, in the simple view's line at the top. */
const LINK_RANK = 2200;
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
    const menu = createMenu(app.commands, lab, dialogs, () => pathInFront(app.shell));
    mainMenu?.addMenu(menu, true, { rank: 900 });
    showStatus(app.shell, statusBar, "collaboratory:left", { item: new StatusItem(lab), align: "right", rank: -100 });
    if (isSimpleView()) {
      void app.shell.add(new JupyterLabLink(app.shell), "top", { rank: LINK_RANK });
    }
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
