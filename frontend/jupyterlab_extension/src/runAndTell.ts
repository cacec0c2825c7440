import { JupyterFrontEnd } from "@jupyterlab/application";
import { CommandToolbarButton, Notification, showErrorMessage } from "@jupyterlab/apputils";
import { IMainMenu } from "@jupyterlab/mainmenu";
import { INotebookTracker, NotebookPanel } from "@jupyterlab/notebook";

import { ask, isShared, ITakeOver, kernelOf } from "./executions";

const ALL = "collaboratory:run-all-and-tell";
const BELOW = "collaboratory:run-below-and-tell";
const CAPTION = "Runs on the server, with this page closed too. A message says when it is done or has failed.";
/** After “Restart the kernel and run all cells”. */
const TOOLBAR_PLACE = 9;
const SAID_MS = 8000;

/** Commands, menu entries and a button that run a notebook without its page. `show`: what the server has begun. */
export function addRunAndTell(
  app: JupyterFrontEnd,
  notebooks: INotebookTracker,
  mainMenu: IMainMenu | null,
  show: (panel: NotebookPanel, answer: ITakeOver) => void,
): void {
  const isEnabled = () => notebooks.currentWidget !== null && notebooks.currentWidget === app.shell.currentWidget;
  const run = async (from: (panel: NotebookPanel) => number) => {
    const panel = notebooks.currentWidget;
    if (panel) {
      try {
        show(panel, await begin(app, panel, from(panel)));
      } catch (error) {
        await showErrorMessage("This notebook was not run", error as Error);
      }
    }
  };
  app.commands.addCommand(ALL, {
    label: "Run All Cells, and Tell Me",
    caption: CAPTION,
    isEnabled,
    execute: () => run(() => 0),
  });
  app.commands.addCommand(BELOW, {
    label: "Run Selected Cell and All Below, and Tell Me",
    caption: CAPTION,
    isEnabled,
    execute: () => run(panel => panel.content.activeCellIndex),
  });
  mainMenu?.runMenu.addGroup([{ command: ALL }, { command: BELOW }], 20);
  const addButton = (panel: NotebookPanel) => {
    const button = new CommandToolbarButton({ commands: app.commands, id: ALL, label: "Run, tell me" });
    panel.toolbar.insertItem(TOOLBAR_PLACE, "collaboratory-run-and-tell", button);
  };
  notebooks.forEach(addButton);
  notebooks.widgetAdded.connect((_, panel) => addButton(panel));
}

async function begin(app: JupyterFrontEnd, panel: NotebookPanel, from: number): Promise<ITakeOver> {
  await panel.sessionContext.ready;
  const kernel = kernelOf(panel);
  if (!kernel) {
    throw new Error("It has no kernel. Select one, then try again.");
  }
  const code = panel.content.widgets.slice(from).filter(cell => cell.model.type === "code");
  const cells = code.map(cell => ({ id: cell.model.id, code: cell.model.sharedModel.getSource() }));
  if (!isShared(panel)) {
    await panel.context.save(); // so that the outputs have their cells, whatever becomes of this page
  }
  const given = { kernel: kernel.id, path: panel.context.path, cells };
  const answer = await ask(app.serviceManager.serverSettings, "runs", given);
  const said = "It runs on the server. You may close this page: a message says when it is done or has failed.";
  Notification.info(said, { autoClose: SAID_MS });
  return answer;
}
