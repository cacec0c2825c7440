/* The Lab's word inside JupyterLab: time left, keep, stop, back to the portal, who else works here; and a warning
 * before it stops.
 *
 * A prebuilt extension without a build: what JupyterLab's page loads is a script that sets
 * `_JUPYTERLAB[<name>] = {init, get}` (webpack's module federation; JupyterLab docs, "Prebuilt extensions").
 * It talks to the portal through the Lab's own origin, at /.collaboratory/ (lab/views_panel.py).
 */
"use strict";
(() => {
  const NAME = "collaboratory";
  const EVERY = 60 * 1000;
  const SETTLED = 1000; /* a document that is being opened has no path yet */
  const WARN_SECONDS = 30 * 60;
  let shared;

  /* JupyterLab's own copy of a package: two would not know each other's tokens. */
  async function load(name) {
    const versions = shared[name];
    return (await versions[Object.keys(versions).sort().pop()].get())();
  }

  async function ask(what, fields) {
    const answer = await fetch(`/.collaboratory/${what}`, { method: "POST", body: new URLSearchParams(fields) });
    if (!answer.ok) throw new Error(`${answer.status}`);
    return answer.json();
  }

  function left(seconds) {
    const minutes = Math.max(0, Math.floor(seconds / 60));
    return minutes >= 120 ? `${Math.floor(minutes / 60)} h` : `${minutes} min`;
  }

  function plugin({ IStatusBar, IMainMenu, Widget, Menu, Notification, Dialog, showDialog }) {
    let lab = null;
    let read = 0;
    let warned = "";
    let others = [];
    let together = new Set();
    const told = new Set();

    function secondsLeft() {
      return lab.seconds_left - (Date.now() - read) / 1000;
    }

    function activate(app, statusBar, mainMenu) {
      const item = new Widget();
      item.addClass("jp-StatusBar-TextItem");
      item.node.setAttribute("role", "status");

      function show() {
        const company = others.length ? ` · ${others.map((other) => other.name).join(", ")}` : "";
        item.node.textContent = (lab && lab.running ? `Lab: ${left(secondsLeft())} left` : "Lab") + company;
        const here = others.map((other) => `${other.name} works on ${other.path}.`);
        item.node.title = lab ? [lab.sentence, ...here].join("\n") : "";
        app.commands.notifyCommandChanged();
      }

      function tell() {
        for (const note of lab.notes) {
          if (!told.has(note)) Notification.warning(note, { autoClose: false });
          told.add(note);
        }
        if (lab.running && secondsLeft() < Math.min(WARN_SECONDS, lab.warn_before) && warned !== lab.stops_at) {
          warned = lab.stops_at;
          const actions = lab.keep.slice(0, 2).map((hours) => ({
            label: `Keep it for ${hours} h`,
            callback: () => keep(hours),
          }));
          Notification.warning(`${lab.sentence} Any use puts that off.`, { autoClose: false, actions });
        }
      }

      /* Once for each stretch in which somebody has the same file open. */
      function tellOfOthers() {
        const same = others.filter((other) => other.same_file).map((other) => `${other.name} has “${other.path}” open, too`);
        for (const said of same) {
          if (!together.has(said)) {
            Notification.info(`${said}. Before you save over the other’s changes, JupyterLab asks.`, { autoClose: false });
          }
        }
        together = new Set(same);
      }

      function take(answer) {
        lab = answer;
        read = Date.now();
        if (answer.others) {
          others = answer.others;
          tellOfOthers();
        }
        show();
        tell();
      }

      /* Below the home; of a console or a terminal nothing. */
      function inFront() {
        const widget = app.shell.currentWidget;
        return (widget && widget.context && widget.context.path) || "";
      }

      async function refresh() {
        try {
          take(await ask("state", { path: inFront() }));
        } catch {
          show(); /* the portal is away, or the pass has ended; the next try may do */
        }
      }

      async function keep(hours) {
        try {
          take(await ask("keep", { hours }));
          Notification.success(lab.sentence);
        } catch {
          Notification.error("Your Lab could not be kept. The portal’s page about it says more.");
        }
      }

      async function stop() {
        const answer = await showDialog({
          title: "Stop my Lab?",
          body: "This ends what runs. Notebooks and texts outside the Drive are copied to it first; installed packages are listed there.",
          buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: "Stop" })],
        });
        if (!answer.button.accept) return;
        try {
          const done = await ask("stop", {});
          window.location.assign(done.portal_lab);
        } catch {
          Notification.error("Your Lab could not be stopped. The portal’s page about it says more.");
        }
      }

      const offered = (hours) => Boolean(lab && lab.keep.includes(hours));
      const commands = new Map([
        ["back", { label: () => (lab && lab.place_name ? `Back to ${lab.place_name}` : "Back to the portal"),
          execute: () => window.open(lab ? lab.place_url : "/", "_blank") }],
        ["page", { label: "My Lab on the portal", execute: () => window.open(lab.portal_lab, "_blank"), isEnabled: () => Boolean(lab) }],
        ["stop", { label: "Stop my Lab…", execute: stop, isEnabled: () => Boolean(lab && lab.running) }],
      ]);
      for (const hours of [1, 4, 12, 24]) {
        commands.set(`keep-${hours}`, { label: `Keep it for ${hours} hour${hours === 1 ? "" : "s"}`,
          execute: () => keep(hours), isVisible: () => offered(hours) });
      }
      const menu = new Menu({ commands: app.commands });
      menu.title.label = "Lab";
      menu.id = "collaboratory-menu";
      for (const name of ["back", "page", "", "keep-1", "keep-4", "keep-12", "keep-24", "", "stop"]) {
        if (!name) menu.addItem({ type: "separator" });
        else menu.addItem({ command: `${NAME}:${name}` });
      }
      for (const [name, command] of commands) app.commands.addCommand(`${NAME}:${name}`, command);
      if (mainMenu) mainMenu.addMenu(menu, true, { rank: 900 });
      if (statusBar) statusBar.registerStatusItem(`${NAME}:left`, { item, align: "right", rank: -100 });
      refresh();
      setInterval(refresh, EVERY);
      document.addEventListener("visibilitychange", () => document.hidden || refresh());
      if (app.shell.currentChanged) app.shell.currentChanged.connect(() => setTimeout(refresh, SETTLED));
    }

    return { id: `${NAME}:plugin`, autoStart: true, optional: [IStatusBar, IMainMenu], activate };
  }

  async function build() {
    const names = ["@jupyterlab/statusbar", "@jupyterlab/mainmenu", "@jupyterlab/apputils", "@lumino/widgets"];
    return plugin(Object.assign({}, ...(await Promise.all(names.map(load)))));
  }

  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB[NAME] = {
    init: (scope) => {
      shared = scope;
    },
    get: async () => {
      const made = await build();
      return () => ({ __esModule: true, default: made });
    },
  };
})();
