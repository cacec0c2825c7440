import { connectionPlugin } from "./connection";
import { driveChangesPlugin } from "./driveChanges";
import { editingTogetherPlugin, executorPlugin } from "./editingTogether";
import { executionsPlugin } from "./missedOutputs";
import { keptPackagesPlugin } from "./keptPackages";
import { panelPlugin } from "./panel";
import { takePristineSettingsFromSchemas } from "./pristineSettings";
import { phonePlugin } from "./phone";
import { plotlyPlugin } from "./plotly";
import { readingPlugin } from "./reading";
import { resourceUsePlugin } from "./resourceUse";
import { workspaceStatePlugin } from "./workspaceState";

takePristineSettingsFromSchemas();

/** What JupyterLab loads. */
export default [
  connectionPlugin,
  panelPlugin,
  executorPlugin,
  editingTogetherPlugin,
  executionsPlugin,
  driveChangesPlugin,
  workspaceStatePlugin,
  readingPlugin,
  keptPackagesPlugin,
  resourceUsePlugin,
  phonePlugin,
  plotlyPlugin,
];
