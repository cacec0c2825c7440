import { connectionPlugin } from "./connection";
import { editingTogetherPlugin, executorPlugin } from "./editingTogether";
import { panelPlugin } from "./panel";

/** What JupyterLab loads. */
export default [connectionPlugin, panelPlugin, executorPlugin, editingTogetherPlugin];
