import { ConnectionLost, IConnectionLost, JupyterFrontEndPlugin } from "@jupyterlab/application";

/** Tells a person why the server cannot be reached; whether it did, and JupyterLab need not guess. */
export type Explain = () => Promise<boolean>;

const explainers: Explain[] = [];

/** From now on ask `explain` first. */
export function explainLostConnections(explain: Explain): void {
  explainers.push(explain);
}

/**
 * What JupyterLab calls when it cannot reach its server: our reason, else its own.
 *
 * Without needs, and apart from the panel: much of JupyterLab waits for this plugin.
 */
export const connectionPlugin: JupyterFrontEndPlugin<IConnectionLost> = {
  id: "collaboratory:connection",
  description: "Says why the Lab's server cannot be reached.",
  autoStart: true,
  provides: IConnectionLost,
  activate:
    () =>
    async (...given) => {
      for (const explain of explainers) {
        if (await explain()) {
          return;
        }
      }
      await ConnectionLost(...given);
    },
};
