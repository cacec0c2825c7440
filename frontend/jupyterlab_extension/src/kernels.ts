import { ISessionContext, IWidgetTracker } from "@jupyterlab/apputils";
import type { CodeCell } from "@jupyterlab/cells";
import type { INotebookCellExecutor } from "@jupyterlab/notebook";
import { Kernel } from "@jupyterlab/services";
import { Widget } from "@lumino/widgets";

import { Lab } from "./lab";

/** The portal looks at once, and once more. */
const LOOK_SECONDS = [0, 3];

/** For a kernel that is being started; then JupyterLab says what it says without one. */
const KERNEL_MS = 60 * 1000;

type WithSession = Widget & { sessionContext: ISessionContext };

/** A kernel that died may have been ended for what it took: let the portal look, which tells it in a note. */
export function watchKernels(tracker: IWidgetTracker<WithSession>, lab: Lab): void {
  const onStatus = (_: ISessionContext, status: Kernel.Status) => {
    if (status === "autorestarting" || status === "dead") {
      for (const seconds of LOOK_SECONDS) {
        setTimeout(() => lab.refresh({ died: "yes" }), seconds * 1000);
      }
    }
  };
  const watch = ({ sessionContext }: WithSession) => void sessionContext.statusChanged.connect(onStatus);
  tracker.forEach(watch);
  tracker.widgetAdded.connect((_, widget) => watch(widget));
}

/**
 * Settles when there is a kernel for a cell that is run while its notebook is being opened: JupyterLab runs nothing
 * then, and says nothing.
 */
export async function whenKernelIsThere({
  cell,
  sessionContext,
}: INotebookCellExecutor.IRunCellOptions): Promise<void> {
  if (cell.model.type !== "code" || !sessionContext || sessionContext.isReady || sessionContext.session?.kernel) {
    return;
  }
  (cell as CodeCell).setPrompt("*");
  let timer = 0;
  const tooLate = new Promise<void>(resolve => (timer = window.setTimeout(resolve, KERNEL_MS)));
  await Promise.race([sessionContext.ready, tooLate]);
  clearTimeout(timer);
  if (!sessionContext.session?.kernel && !cell.isDisposed) {
    (cell as CodeCell).setPrompt("");
  }
}
