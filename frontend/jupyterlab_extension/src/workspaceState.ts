import { IRouter, JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { URLExt } from "@jupyterlab/coreutils";
import { IStateDB } from "@jupyterlab/statedb";

/** JupyterLab's own, which the router runs at every address, at rank 30. */
const LOAD_STATE = "apputils:load-statedb";
const LOAD_STATE_SOON = "collaboratory:load-state";
/** Whatever is read is answered once the state is loaded. */
const ANY_KEY = "layout-restorer:data";
/** Before JupyterLab's, and after what empties the state where the address says `reset` (rank 20). */
const RANK = 29;

/**
 * Has the router wait until the workspace's state is loaded, and not until it is saved again.
 *
 * JupyterLab's command ends with a save, which waits for half a second without changes and is a request: what an
 * address leads to, such as a notebook, would be opened only then. Here the save goes on beside it. JupyterLab's command
 * does nothing where the state is loaded, so the router's own call of it costs nothing.
 */
export const workspaceStatePlugin: JupyterFrontEndPlugin<void> = {
  id: "collaboratory:workspace-state",
  description: "Opens what the address leads to while the workspace is being saved.",
  autoStart: true,
  requires: [IRouter, IStateDB],
  activate: ({ commands }: JupyterFrontEnd, router: IRouter, state: IStateDB) => {
    if (!commands.hasCommand(LOAD_STATE)) {
      return; // nothing is kept, or elsewhere
    }
    commands.addCommand(LOAD_STATE_SOON, {
      label: "Load the Workspace’s State",
      execute: async args => {
        const loaded = commands.execute(LOAD_STATE, args);
        // A copy of a workspace is saved under its name before the page goes there.
        const isCopied = "clone" in URLExt.queryStringToObject(`${args.search ?? ""}`);
        return isCopied ? loaded : Promise.race([loaded, state.fetch(ANY_KEY).then(() => undefined)]);
      },
    });
    router.register({ command: LOAD_STATE_SOON, pattern: /.?/, rank: RANK });
  },
};
