import type { JupyterFrontEnd } from "@jupyterlab/application";
import { PageConfig, URLExt } from "@jupyterlab/coreutils";
import type { DocumentRegistry } from "@jupyterlab/docregistry";
import type { IStatusBar } from "@jupyterlab/statusbar";
import { Widget } from "@lumino/widgets";

/* The simple view: one notebook on Jupyter Notebook's page (lab/supervisor/inside/simple_view.py), in which this
 * extension runs as it does in JupyterLab. */

const NOTEBOOK = ".ipynb";
/** In its line at the top, behind the notebook's name; the kernel's state stands at the right. */
const TOP_RANK = 2000;

/** Whether this page is the simple view. */
export function isSimpleView(): boolean {
  return PageConfig.getOption("notebookPage") === "notebooks";
}

/** Whether this Lab's environment has it. */
export function hasSimpleView(): boolean {
  return PageConfig.getOption("collaboratorySimpleView") === "true";
}

/** Below the home, of the document in front; of a console or a terminal nothing. */
export function pathInFront(shell: JupyterFrontEnd.IShell): string {
  const widget = shell.currentWidget as { context?: DocumentRegistry.Context } | null;
  return widget?.context?.path ?? "";
}

/** Address of this notebook in the other view; empty where it has none. */
export function otherView(path: string): string {
  if (isSimpleView()) {
    return address("lab/tree", path);
  }
  return hasSimpleView() && path.endsWith(NOTEBOOK) ? address("notebooks", path) : "";
}

function address(page: string, path: string): string {
  return URLExt.join(PageConfig.getBaseUrl(), page, URLExt.encodeParts(path));
}

/** Show the status in JupyterLab's status bar, or at the top of the simple view, which has none. */
export function showStatus(
  shell: JupyterFrontEnd.IShell,
  statusBar: IStatusBar | null,
  id: string,
  options: IStatusBar.IItem,
): void {
  if (!isSimpleView()) {
    statusBar?.registerStatusItem(id, options);
    return;
  }
  const { item, isActive, activeStateChanged } = options;
  item.id = id.replace(":", "-");
  item.addClass("collaboratory-TopItem");
  const draw = () => item.setHidden(!(isActive?.() ?? true));
  activeStateChanged?.connect(draw);
  draw();
  void shell.add(item, "top", { rank: TOP_RANK - (options.rank ?? 0) });
}

/** The link from the simple view to the same notebook in JupyterLab. */
export class JupyterLabLink extends Widget {
  constructor(private readonly shell: JupyterFrontEnd.IShell) {
    super();
    this.id = "collaboratory-jupyterlab-link";
    this.addClass("collaboratory-TopItem");
    this._link.textContent = "Open in JupyterLab";
    this.node.append(this._link);
    shell.currentChanged?.connect(this.draw, this);
    // The path is another one once the notebook was renamed, of which the shell says nothing.
    this._link.addEventListener("pointerdown", () => this.draw());
    this._link.addEventListener("focus", () => this.draw());
    this.draw();
  }

  private draw(): void {
    this._link.href = otherView(pathInFront(this.shell));
  }

  private readonly _link = document.createElement("a");
}
