import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import type { ServerConnection } from "@jupyterlab/services";
import { IStatusBar } from "@jupyterlab/statusbar";
import { Widget } from "@lumino/widgets";

/** Of what this Lab uses (lab/supervisor/resource_use.py); bytes and numbers, a limit of 0: none. */
interface IUsage {
  memory: number;
  memory_limit: number;
  disk: number;
  disk_limit: number;
  processes: number;
  process_limit: number;
}

const ADDRESS = "api/collaboratory/usage";
const EVERY_MS = 5000;
const NEARLY_FULL = 0.9;

/** What this Lab uses of its limits, in the status bar. */
export const resourceUsePlugin: JupyterFrontEndPlugin<void> = {
  id: "collaboratory:resource-use",
  description: "Shows what this Lab uses of its memory.",
  autoStart: true,
  optional: [IStatusBar],
  activate: (app: JupyterFrontEnd, statusBar: IStatusBar | null) => {
    if (!statusBar) {
      return;
    }
    const item = new UsageItem();
    statusBar.registerStatusItem("collaboratory:use", { item, align: "right", rank: -99 });
    void app.restored.then(() => poll(app.serviceManager.serverSettings, item));
  },
};

async function poll(settings: ServerConnection.ISettings, item: UsageItem): Promise<void> {
  let isTold = true;
  if (!document.hidden) {
    const headers: Record<string, string> = settings.token ? { Authorization: `token ${settings.token}` } : {};
    try {
      const answer = await settings.fetch.call(null, `${settings.baseUrl}${ADDRESS}`, { ...settings.init, headers });
      isTold = answer.status !== 404; // of a Lab without limits nothing is told
      item.draw(answer.ok ? await answer.json() : null);
    } catch {
      item.draw(null); // the Lab is away; the next try may do
    }
  }
  if (isTold) {
    setTimeout(() => void poll(settings, item), EVERY_MS);
  }
}

class UsageItem extends Widget {
  constructor() {
    super();
    this.addClass("jp-StatusBar-TextItem");
    this.hide();
  }

  draw(usage: IUsage | null): void {
    if (!usage?.memory_limit) {
      this.hide();
    } else {
      const { memory, memory_limit, disk, disk_limit, processes, process_limit } = usage;
      this.node.textContent = `Memory: ${size(memory)} of ${size(memory_limit)}`;
      this.toggleClass("collaboratory-nearly-full", memory > NEARLY_FULL * memory_limit);
      const lines = [`Memory of this Lab: ${size(memory)} of ${size(memory_limit)}`];
      lines.push(...(disk_limit ? [`Disk outside the Drive: ${size(disk)} of ${size(disk_limit)}`] : []));
      lines.push(...(process_limit ? [`Processes and threads: ${processes} of ${process_limit}`] : []));
      this.node.title = lines.join("\n");
      this.show();
    }
  }
}

function size(bytes: number): string {
  const mebibytes = bytes / 2 ** 20;
  return mebibytes < 1000 ? `${Math.round(mebibytes)} MiB` : `${(mebibytes / 1024).toFixed(1)} GiB`;
}
