import { connectionPlugin } from "./connection";
import { panelPlugin } from "./panel";

/** What JupyterLab loads. */
export default [connectionPlugin, panelPlugin];
