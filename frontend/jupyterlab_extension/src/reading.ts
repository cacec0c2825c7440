import { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { INotebookTracker, Notebook, NotebookPanel } from "@jupyterlab/notebook";

/** What shows a notebook to read while JupyterLab is loaded (lab/supervisor/inside/reading.html). */
interface IReading {
  /** Of the notebook, below the home. */
  readonly path: string;
  /** Where it was scrolled to; null where it was not. */
  readonly place: IPlace | null;
  end(): void;
}

interface IPlace {
  /** Number of the cell at the top. */
  readonly cell: number;
  /** Pixels of it above the top. */
  readonly above: number;
}

/** Ends the preview where its notebook is open, at the place that was read. */
export const readingPlugin: JupyterFrontEndPlugin<void> = {
  id: "collaboratory:reading",
  description: "Hands over from the notebook’s preview to the notebook.",
  autoStart: true,
  requires: [INotebookTracker],
  activate: async (app: JupyterFrontEnd, notebooks: INotebookTracker) => {
    const reading = (window as { collaboratoryReading?: IReading }).collaboratoryReading;
    if (!reading) {
      return;
    }
    const isIt = (panel: NotebookPanel): boolean => panel.context.path === reading.path;
    const takeOver = (panel: NotebookPanel): void => {
      if (isIt(panel)) {
        notebooks.widgetAdded.disconnect(added);
        void handOver(app, panel, reading);
      }
    };
    const added = (_: INotebookTracker, panel: NotebookPanel): void => takeOver(panel);
    notebooks.widgetAdded.connect(added);
    notebooks.forEach(takeOver);
  },
};

async function handOver(app: JupyterFrontEnd, panel: NotebookPanel, reading: IReading): Promise<void> {
  try {
    await Promise.all([app.restored, panel.context.ready, panel.revealed]);
    await drawn();
    if (reading.place) {
      await scroll(panel.content, reading.place);
    }
  } finally {
    reading.end();
  }
}

/** At a cell that the preview had at its top; its height here is another. */
async function scroll(notebook: Notebook, { cell, above }: IPlace): Promise<void> {
  const widget = notebook.widgets[cell];
  if (widget) {
    await notebook.scrollToItem(cell, "start");
    await drawn();
    notebook.outerNode.scrollTop += Math.min(above, widget.node.offsetHeight);
  }
}

/** What was changed is on the screen with the second frame from now. */
function drawn(): Promise<void> {
  return new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(() => resolve())));
}
