import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { Dialog, Notification, showDialog } from "@jupyterlab/apputils";
import { PageConfig } from "@jupyterlab/coreutils";
import type { ServerConnection } from "@jupyterlab/services";
import { Widget } from "@lumino/widgets";

/** Of the server's events, and the address that answers the same (lab/supervisor/inside/kept_packages.py). */
const SCHEMA = "https://schema.collaboratory/packages/v1";
const ADDRESS = "api/collaboratory/packages";
const SHOWN_MS = 8000;

interface IPackageList {
  /** Title of the Collab; empty: one's own. */
  whose: string;
  packages: number;
  state: "waiting" | "installing" | "installed" | "failed";
  /** What went wrong. */
  said: string;
}

/** Shows how far the installation of packages for next time is, and what pip said where one failed. */
export const keptPackagesPlugin: JupyterFrontEndPlugin<void> = {
  id: "collaboratory:kept-packages",
  description: "Shows how packages for next time are installed.",
  autoStart: true,
  activate: (app: JupyterFrontEnd) => {
    const settings = app.serviceManager.serverSettings;
    const shown = new ShownLists(settings);
    app.serviceManager.events.stream.connect((_, event) => {
      if (event.schema_id === SCHEMA) {
        shown.show(event.lists as unknown as IPackageList[]);
      }
    });
    if (PageConfig.getOption("collaboratoryPackages") === "true") {
      void ask(settings).then(({ lists }) => shown.show(lists, true));
    }
  },
};

/** One notification for each list, from its beginning to its end. */
class ShownLists {
  constructor(private readonly settings: ServerConnection.ISettings) {}

  /** `isFirst`: this page has just been opened, and what is done already needs no word. */
  show(lists: IPackageList[], isFirst = false): void {
    for (const list of lists) {
      const isDone = list.state === "installed";
      if (!(isFirst && isDone)) {
        this.showOne(list);
      }
    }
  }

  private showOne(list: IPackageList): void {
    const what = list.whose ? `The packages of “${list.whose}”` : "Your packages for next time";
    const id = this._ids.get(list.whose);
    if (list.state === "waiting" || list.state === "installing") {
      const message = `${what} are being installed. Kernels start after that.`;
      this.put(list.whose, id, message, "in-progress", false);
    } else if (list.state === "installed") {
      this.put(list.whose, id, `${what} are installed.`, "success", SHOWN_MS);
      this._ids.delete(list.whose);
    } else {
      const actions = [{ label: "What pip Said", callback: () => void this.showLog() }];
      this.put(list.whose, id, `${what} were not installed: ${list.said}`, "error", false, actions);
    }
  }

  private put(
    whose: string,
    id: string | undefined,
    message: string,
    type: Notification.TypeOptions,
    autoClose: number | false,
    actions: Notification.IAction[] = [],
  ): void {
    if (id && Notification.manager.has(id)) {
      Notification.update({ id, message, type, autoClose, actions });
    } else {
      this._ids.set(whose, Notification.emit(message, type, { autoClose, actions }));
    }
  }

  private async showLog(): Promise<void> {
    const { log } = await ask(this.settings);
    const body = new Widget({ node: document.createElement("pre") });
    body.node.textContent = log;
    await showDialog({ title: "What pip Said", body, buttons: [Dialog.okButton()] });
  }

  private readonly _ids = new Map<string, string>();
}

async function ask(settings: ServerConnection.ISettings): Promise<{ lists: IPackageList[]; log: string }> {
  const headers: Record<string, string> = settings.token ? { Authorization: `token ${settings.token}` } : {};
  const answer = await settings.fetch.call(null, `${settings.baseUrl}${ADDRESS}`, { ...settings.init, headers });
  if (!answer.ok) {
    throw new Error(`The Jupyter server answered ${answer.status}.`);
  }
  return answer.json();
}
