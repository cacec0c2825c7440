import { Dialog, Notification, showDialog } from "@jupyterlab/apputils";
import { CommandRegistry } from "@lumino/commands";
import { Menu } from "@lumino/widgets";

import { EndDialogs } from "./dialogs";
import { Lab } from "./lab";
import { hasSimpleView, isSimpleView, otherView } from "./simpleView";

const HOURS = [1, 4, 12, 24];
const SEPARATOR = "";

/** The menu "Lab" and its commands: back to the portal, the other view, keep, stop. `path`: of what is in front. */
export function createMenu(commands: CommandRegistry, lab: Lab, dialogs: EndDialogs, path: () => string): Menu {
  addCommands(commands, lab, dialogs);
  addViewCommands(commands, lab, path);
  lab.changed.connect(() => commands.notifyCommandChanged());
  const menu = new Menu({ commands });
  menu.title.label = "Lab";
  menu.id = "collaboratory-menu";
  const views = ["other-view", "choose-view", SEPARATOR];
  const hours = HOURS.map(hours => `keep-${hours}`);
  for (const name of ["back", "page", SEPARATOR, ...views, ...hours, SEPARATOR, "stop"]) {
    menu.addItem(name === SEPARATOR ? { type: "separator" } : { command: `collaboratory:${name}` });
  }
  return menu;
}

function addCommands(commands: CommandRegistry, lab: Lab, dialogs: EndDialogs): void {
  commands.addCommand("collaboratory:back", {
    label: () => (lab.state?.place_name ? `Back to ${lab.state.place_name}` : "Back to the portal"),
    execute: () => void window.open(lab.state?.place_url ?? "/", "_blank"),
  });
  commands.addCommand("collaboratory:page", {
    label: "My Lab on the portal",
    execute: () => void window.open(lab.state?.portal_lab, "_blank"),
    isEnabled: () => lab.state !== null,
  });
  for (const hours of HOURS) {
    commands.addCommand(`collaboratory:keep-${hours}`, {
      label: `Keep it for ${hours} hour${hours === 1 ? "" : "s"}`,
      execute: () => keep(lab, hours),
      isVisible: () => lab.state?.keep.includes(hours) ?? false,
    });
  }
  commands.addCommand("collaboratory:stop", {
    label: "Stop my Lab…",
    execute: () => stop(lab, dialogs),
    isEnabled: () => lab.isRunning,
  });
}

function addViewCommands(commands: CommandRegistry, lab: Lab, path: () => string): void {
  commands.addCommand("collaboratory:other-view", {
    label: isSimpleView() ? "Open This Notebook in JupyterLab" : "Open This Notebook in the Simple View",
    execute: () => window.location.assign(otherView(path())),
    isEnabled: () => otherView(path()) !== "",
    isVisible: () => isSimpleView() || hasSimpleView(),
  });
  commands.addCommand("collaboratory:choose-view", {
    label: "Open Notebooks in the Simple View",
    caption: "What the portal’s links to notebooks open",
    execute: () => chooseView(lab),
    isToggled: () => lab.state?.notebook_view === "simple",
    isEnabled: () => Boolean(lab.state?.notebook_view),
    isVisible: () => isSimpleView() || hasSimpleView(),
  });
}

async function chooseView(lab: Lab): Promise<void> {
  try {
    await lab.chooseView(lab.state?.notebook_view !== "simple");
  } catch {
    Notification.error("This could not be saved. The portal’s page about your Lab has the same choice.");
  }
}

/** Keep the Lab, and say until when. */
export async function keep(lab: Lab, hours: number): Promise<void> {
  try {
    Notification.success(await lab.keep(hours));
  } catch {
    Notification.error("Your Lab could not be kept. The portal’s page about it says more.");
  }
}

async function stop(lab: Lab, dialogs: EndDialogs): Promise<void> {
  const answer = await showDialog({
    title: "Stop my Lab?",
    body: "This ends what runs. Notebooks and texts outside the Drive are copied to it first; installed packages are listed there.",
    buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: "Stop" })],
  });
  if (!answer.button.accept) {
    return;
  }
  try {
    const page = await lab.stop();
    dialogs.saySomewhereElse();
    window.location.assign(page);
  } catch {
    Notification.error("Your Lab could not be stopped. The portal’s page about it says more.");
  }
}
