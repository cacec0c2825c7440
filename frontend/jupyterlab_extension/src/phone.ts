import { ILabShell, JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";

/** Narrower than this, side bar and tabs leave no room for a notebook. */
const NARROW = "(max-width: 760px)";

/** On a phone one document has the whole page. The side bar opens as ever, from its icons. */
export const phonePlugin: JupyterFrontEndPlugin<void> = {
  id: "collaboratory:phone",
  description: "Shows one document at a time on a narrow screen.",
  autoStart: true,
  optional: [ILabShell],
  activate: (app: JupyterFrontEnd, shell: ILabShell | null) => {
    if (shell && window.matchMedia(NARROW).matches) {
      void app.restored.then(() => {
        shell.mode = "single-document";
        shell.collapseLeft();
        shell.collapseRight();
      });
    }
  },
};
