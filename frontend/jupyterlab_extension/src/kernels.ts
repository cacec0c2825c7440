import { ISessionContext, IWidgetTracker } from "@jupyterlab/apputils";
import { Kernel } from "@jupyterlab/services";
import { Widget } from "@lumino/widgets";

import { Lab } from "./lab";

/** The portal looks at once, and once more. */
const LOOK_SECONDS = [0, 3];

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
