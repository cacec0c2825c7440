/* The Lab's word inside JupyterLab: time left, keep, stop, back to the portal, who else works here; a warning
 * before it stops, why it stopped, and why a kernel died.
 *
 * A prebuilt extension without a build: what JupyterLab's page loads is a script that sets
 * `_JUPYTERLAB[<name>] = {init, get}` (webpack's module federation; JupyterLab docs, "Prebuilt extensions").
 * It talks to the portal through the Lab's own origin, at /.collaboratory/ (lab/gateway/views_panel.py).
 */
"use strict";
(() => {
  const NAME = "collaboratory";
  const EVERY = 60 * 1000;
  const EVERY_WHILE_OFF = 10 * 1000; /* somebody may just be starting it in another tab */
  const SETTLED = 1000; /* a document that is being opened has no path yet */
  const WARN_SECONDS = 30 * 60;
  const NOTICE_LENGTH = 140; /* JupyterLab cuts the text of a notification there */
  const KEPT = 30;
  let shared;

  /* JupyterLab's own copy of a package: two would not know each other's tokens. */
  async function load(name) {
    const versions = shared[name];
    return (await versions[Object.keys(versions).sort().pop()].get())();
  }

  async function ask(what, fields) {
    const answer = await fetch(`/.collaboratory/${what}`, { method: "POST", body: new URLSearchParams(fields) });
    if (!answer.ok) throw Object.assign(new Error(`${answer.status}`), { status: answer.status });
    return answer.json();
  }

  function left(seconds) {
    const minutes = Math.floor(seconds / 60);
    if (minutes < 1) return "less than 1 min";
    return minutes >= 120 ? `${Math.floor(minutes / 60)} h` : `${minutes} min`;
  }

  /* Its first sentence; of a longer one its beginning. */
  function brief(text) {
    const first = /^.*?[.!?](?=\s|$)/s.exec(text);
    const short = first ? first[0] : text;
    return short.length <= NOTICE_LENGTH ? short : `${short.slice(0, NOTICE_LENGTH - 1)}…`;
  }

  /* What was said in this tab, which a reload does not say again. */
  const told = {
    get all() {
      return JSON.parse(sessionStorage.getItem(`${NAME}:told`) || "[]");
    },
    has(text) {
      return this.all.includes(text);
    },
    add(text) {
      sessionStorage.setItem(`${NAME}:told`, JSON.stringify([...this.all, text].slice(-KEPT)));
    },
  };

  /* `lost`: what JupyterLab is to do when it cannot reach its server, `run` of it set by what is activated here. */
  function plugin(lost, found) {
    const { IStatusBar, IMainMenu, INotebookTracker, IConsoleTracker, Widget, Menu, Notification, Dialog, showDialog } = found;
    let lab = null;
    let read = 0;
    let timer = 0;
    let warning = null;
    let mismatch = null;
    let warned = "";
    let signedOut = false;
    let toldOfStop = false;
    let others = [];
    let together = new Set();

    function secondsLeft() {
      return lab.seconds_left - (Date.now() - read) / 1000;
    }

    function activate(app, statusBar, mainMenu, notebooks, consoles) {
      const item = new Widget();
      item.addClass("jp-StatusBar-TextItem");
      item.node.setAttribute("role", "status");

      function show() {
        const company = others.length ? ` · with ${others.map((other) => other.name).join(", ")}` : "";
        item.node.textContent = `Lab${state()}${company}`;
        const here = others.map((other) => `${other.name} works on ${other.path}.`);
        item.node.title = lab ? [lab.sentence, ...here].join("\n") : "";
        app.commands.notifyCommandChanged();
      }

      function state() {
        if (signedOut) return ": signed out";
        if (!lab) return "";
        return `: ${lab.running ? `${left(secondsLeft())} left` : lab.state}`;
      }

      /* Short, with the whole at hand; once. */
      function say(kind, text, actions = []) {
        if (told.has(text)) return null;
        told.add(text);
        const short = brief(text);
        const body = () => showDialog({ title: "Your Lab", body: text, buttons: [Dialog.okButton()] });
        const more = short === text ? [] : [{ label: "More", callback: body }];
        return Notification[kind](short, { autoClose: false, actions: [...actions, ...more] });
      }

      function tell() {
        for (const note of lab.notes) say("warning", note);
        if (mismatch && !lab.other_environment) {
          Notification.dismiss(mismatch);
          mismatch = null;
        }
        if (lab.other_environment) {
          const there = `${lab.portal_open}?${new URLSearchParams(lab.other_environment.link)}`;
          const change = { label: "Change it", callback: () => window.open(there, "_blank") };
          mismatch = say("info", lab.other_environment.said, [change]) || mismatch;
        }
        tellOfTheEnd();
      }

      /* Said while it is true, and no longer. */
      function tellOfTheEnd() {
        const near = lab.running && secondsLeft() < Math.min(WARN_SECONDS, lab.warn_before);
        if (warning && (!near || warned !== lab.stops_at)) {
          Notification.dismiss(warning);
          warning = null;
        }
        if (!near || warned === lab.stops_at) return;
        warned = lab.stops_at;
        const actions = lab.keep.slice(0, 2).map((hours) => ({
          label: `Keep it for ${hours} h`,
          callback: () => keep(hours),
        }));
        warning = Notification.warning(lab.warning, { autoClose: false, actions });
      }

      /* In place of “check your network connection”. */
      async function tellOfStop() {
        if (toldOfStop) return;
        toldOfStop = true;
        const why = `${lab.ended} What is open in this tab is still here: start the Lab again in another tab, then come back and save it.`;
        const again = Dialog.okButton({ label: "Start it again" });
        const answer = await showDialog({ title: "Your Lab has stopped", body: why, buttons: [Dialog.cancelButton({ label: "Close" }), again] });
        if (answer.button.accept) window.open(`${lab.portal_lab}?${new URLSearchParams({ next: window.location.pathname })}`, "_blank");
      }

      /* A dialog: what shows notifications is loaded with the first of them, and without a sign-in nothing is. */
      async function tellOfSignOut() {
        if (signedOut) return;
        signedOut = true;
        const body = "You have signed out, or your sign-in has ended. What is open in this tab is still here: sign in again in another tab, then this one goes on.";
        const again = Dialog.okButton({ label: "Sign in again" });
        const answer = await showDialog({ title: "You are signed out", body, buttons: [Dialog.cancelButton({ label: "Close" }), again] });
        if (answer.button.accept) window.open("/lab", "_blank");
      }

      /* Once for each stretch in which somebody has the same file open. */
      function tellOfOthers() {
        const file = (path) => path.split("/").pop();
        const same = others.filter((other) => other.same_file).map((other) => `${other.name} has “${file(other.path)}” open, too`);
        for (const said of same) {
          if (!together.has(said)) {
            Notification.info(`${said}. Before you save over the other’s changes, JupyterLab asks.`, { autoClose: false });
          }
        }
        together = new Set(same);
      }

      function take(answer) {
        if (answer.running && lab && !lab.running) {
          const said = "Your Lab runs again. What is open here can be saved; kernels begin anew.";
          Notification.success(said, { autoClose: false }); /* its person is in another tab now */
        }
        lab = answer;
        read = Date.now();
        signedOut = false;
        if (lab.running) toldOfStop = false;
        if (answer.others) {
          others = answer.others;
          tellOfOthers();
        }
        show();
        tell();
        if (!lab.running && lab.ended) tellOfStop();
      }

      /* Below the home; of a console or a terminal nothing. */
      function inFront() {
        const widget = app.shell.currentWidget;
        return (widget && widget.context && widget.context.path) || "";
      }

      /* Whether an answer came; the next time is sooner where somebody waits for it. */
      async function refresh(more = {}) {
        let answered = true;
        try {
          take(await ask("state", { path: inFront(), ...more }));
        } catch (error) {
          answered = error.status === 401;
          if (answered) tellOfSignOut();
          show(); /* else the portal is away; the next try may do */
        }
        clearTimeout(timer);
        const isCalm = document.hidden || (lab && lab.running && !signedOut);
        timer = setTimeout(refresh, isCalm ? EVERY : EVERY_WHILE_OFF);
        return answered;
      }

      /* True when the person was told why, and JupyterLab need not guess. */
      async function explain() {
        if (!(await refresh())) return false;
        return signedOut || !lab.running;
      }

      /* A kernel that died may have been ended for what it took: the portal looks at once, and once more. */
      function died(_, status) {
        if (status !== "autorestarting" && status !== "dead") return;
        for (const seconds of [0, 3]) setTimeout(() => refresh({ died: "yes" }), seconds * 1000);
      }

      function watch(tracker) {
        const follow = (widget) => widget.sessionContext.statusChanged.connect(died);
        tracker.forEach(follow);
        tracker.widgetAdded.connect((_, widget) => follow(widget));
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
          toldOfStop = true; /* by the page that comes now */
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
      for (const tracker of [notebooks, consoles]) if (tracker) watch(tracker);
      lost.run = explain;
      refresh();
      document.addEventListener("visibilitychange", () => document.hidden || refresh());
      if (app.shell.currentChanged) app.shell.currentChanged.connect(() => setTimeout(refresh, SETTLED));
    }

    const optional = [IStatusBar, IMainMenu, INotebookTracker, IConsoleTracker];
    return { id: `${NAME}:plugin`, autoStart: true, optional, activate };
  }

  /* What JupyterLab asks when it cannot reach its server. A plugin without needs: much of JupyterLab waits for it. */
  function connection(lost, { IConnectionLost, ConnectionLost }) {
    const tell = async (...given) => {
      if (!lost.run || !(await lost.run())) ConnectionLost(...given);
    };
    return { id: `${NAME}:connection`, autoStart: true, provides: IConnectionLost, activate: () => tell };
  }

  async function build() {
    const names = ["statusbar", "mainmenu", "apputils", "application", "notebook", "console"].map((name) => `@jupyterlab/${name}`);
    const found = Object.assign({}, ...(await Promise.all([...names, "@lumino/widgets"].map(load))));
    const lost = { run: null };
    return [connection(lost, found), plugin(lost, found)];
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
