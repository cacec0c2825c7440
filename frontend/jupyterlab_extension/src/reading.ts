import type { EditorView } from "@codemirror/view";
import { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import type { DocumentRegistry, IDocumentWidget } from "@jupyterlab/docregistry";
import type { Notebook } from "@jupyterlab/notebook";
import type { Widget } from "@lumino/widgets";

/** What shows a file to read while JupyterLab is loaded (lab/supervisor/inside/reading.html). */
interface IReading {
  /** Of the file, below the home. */
  readonly path: string;
  /** Where it was scrolled to; null where it was not. */
  readonly place: IPlace | null;
  end(): void;
}

/** For so long JupyterLab still draws cells above, which are higher or lower then than it had supposed. */
const LATE_MS = 10 * 1000;
const LOOK_MS = 100;
/** What a person does who has taken over; the pointer may just lie there. */
const ACTS = ["wheel", "pointerdown", "touchstart", "keydown"];

interface IPlace {
  /** Number of the cell, or of the line of a text, at the top. */
  readonly cell: number;
  /** Pixels of it above the top. */
  readonly above: number;
}

/** Ends the preview where its file is open, whatever shows it, at the place that was read. */
export const readingPlugin: JupyterFrontEndPlugin<void> = {
  id: "collaboratory:reading",
  description: "Hands over from a file’s preview to the notebook, the editor or the viewer.",
  autoStart: true,
  activate: (app: JupyterFrontEnd) => {
    const reading = (window as { collaboratoryReading?: IReading }).collaboratoryReading;
    if (!reading) {
      return;
    }
    const registry = app.docRegistry;
    const watched = new Set<string>();
    const watch = (factory: string): void => {
      if (!watched.has(factory)) {
        watched.add(factory);
        registry.addWidgetExtension(factory, { createNew });
      }
    };
    const createNew = (widget: IDocumentWidget, context: DocumentRegistry.IContext<DocumentRegistry.IModel>): void => {
      if (context.path === reading.path) {
        void handOver(app, widget, reading);
      }
    };
    registry.changed.connect((_, { type, change, name }) => {
      if (type === "widgetFactory" && change === "added" && name) {
        watch(name);
      }
    });
    for (const { name } of registry.widgetFactories()) {
      watch(name);
    }
  },
};

async function handOver(
  app: JupyterFrontEnd,
  { content, context, revealed }: IDocumentWidget,
  reading: IReading,
): Promise<void> {
  try {
    await Promise.all([app.restored, context.ready, revealed]);
    await drawn();
    if (reading.place) {
      await scroll(content, reading.place);
    }
  } finally {
    reading.end();
  }
}

/** At what the preview had at its top; its height here is another. What is no notebook and no editor stays as it is. */
async function scroll(content: Widget, place: IPlace): Promise<void> {
  if ("scrollToItem" in content) {
    await scrollNotebook(content as Notebook, place);
  } else if ("editor" in content) {
    await scrollEditor((content.editor as { editor?: EditorView }).editor, place);
  }
}

async function scrollNotebook(notebook: Notebook, place: IPlace): Promise<void> {
  const widget = notebook.widgets[place.cell];
  if (widget) {
    await notebook.scrollToItem(place.cell, "start");
    await drawn();
    comeBack(notebook, widget.node, place.above);
    void stay(notebook, widget.node, place.above);
  }
}

/** Stay at a cell while others are drawn, until the person does something. */
async function stay(notebook: Notebook, cell: HTMLElement, above: number): Promise<void> {
  const acts = new AbortController();
  ACTS.forEach(kind => addEventListener(kind, () => acts.abort(), { capture: true, signal: acts.signal }));
  const end = Date.now() + LATE_MS;
  while (!acts.signal.aborted && !notebook.isDisposed && Date.now() < end) {
    await new Promise(resolve => setTimeout(resolve, LOOK_MS));
    if (!acts.signal.aborted && cell.isConnected && notebook.isVisible) {
      comeBack(notebook, cell, above);
    }
  }
  acts.abort();
}

/** Have so many pixels of a cell above the notebook's top; the end of the notebook may be in view before. */
function comeBack({ outerNode }: Notebook, cell: HTMLElement, above: number): void {
  const away = cell.getBoundingClientRect().top - outerNode.getBoundingClientRect().top;
  const distance = away + Math.min(above, cell.offsetHeight);
  if (Math.abs(distance) > 1) {
    outerNode.scrollTop += distance;
  }
}

/** Twice: heights of lines that were not drawn yet are estimates. */
async function scrollEditor(view: EditorView | undefined, { cell, above }: IPlace): Promise<void> {
  for (let time = 0; view && time < 2; time++) {
    const { doc } = view.state;
    const { top, height } = view.lineBlockAt(doc.line(Math.min(cell + 1, doc.lines)).from);
    view.scrollDOM.scrollTop = top + Math.min(above, height);
    await drawn();
  }
}

/** What was changed is on the screen with the second frame from now. */
function drawn(): Promise<void> {
  return new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(() => resolve())));
}
