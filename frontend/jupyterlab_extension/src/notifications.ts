import { Dialog, Notification, showDialog } from "@jupyterlab/apputils";

import { Lab } from "./lab";
import { ICoworker, ILabState, IOtherEnvironment, IPackagesQuestion } from "./requests";
import { hasBeenShown, setShown } from "./shown";

const WARN_SECONDS = 30 * 60;
/** JupyterLab cuts the text of a notification there. */
const NOTIFICATION_LENGTH = 140;

/** Notifications: notes of the portal, a warning before the Lab stops, another environment, coworkers, a new start. */
export class LabNotifications {
  constructor(
    private readonly lab: Lab,
    private readonly keep: (hours: number) => void,
  ) {
    lab.answered.connect((_, before) => {
      if (lab.state) {
        this.update(lab.state, before);
      }
    });
  }

  private update(state: ILabState, before: ILabState | null): void {
    if (state.running && before && !before.running) {
      const text = "Your Lab runs again. What is open here can be saved; kernels begin anew.";
      Notification.success(text, { autoClose: false }); // its person is in another tab now
    }
    this.updateCoworkers(this.lab.coworkers);
    for (const note of state.notes) {
      notifyOnce("warning", note);
    }
    this.updateEnvironment(state.other_environment ?? null, state.portal_open);
    this.updatePackages(state.packages ?? null);
    this.updateWarning(state);
  }

  /** Once for each stretch in which somebody has the same file open. */
  private updateCoworkers(coworkers: readonly ICoworker[]): void {
    const texts = coworkers
      .filter(({ same_file }) => same_file)
      .map(({ name, path }) => `${name} has “${path.split("/").pop()}” open, too`);
    for (const text of texts.filter(text => !this._together.has(text))) {
      const advice = "Before you save over the other’s changes, JupyterLab asks.";
      Notification.info(`${text}. ${advice}`, { autoClose: false });
    }
    this._together = new Set(texts);
  }

  private updateEnvironment(other: IOtherEnvironment | null, portalOpen: string): void {
    if (!other) {
      this._mismatch = dismiss(this._mismatch);
      return;
    }
    const address = `${portalOpen}?${new URLSearchParams(other.link)}`;
    const change = { label: "Change it", callback: () => void window.open(address, "_blank") };
    this._mismatch = notifyOnce("info", other.said, [change]) ?? this._mismatch;
  }

  private updatePackages(question: IPackagesQuestion | null): void {
    if (!question) {
      this._question = dismiss(this._question);
      return;
    }
    const look = { label: "See them", callback: () => void window.open(question.url, "_blank") };
    this._question = notifyOnce("info", question.said, [look]) ?? this._question;
  }

  /** Shown while it is true, and no longer. */
  private updateWarning(state: ILabState): void {
    const isNear = state.running && this.lab.secondsLeft < Math.min(WARN_SECONDS, state.warn_before);
    const isShown = this._warnedOf === state.stops_at;
    if (!isNear || !isShown) {
      this._warning = dismiss(this._warning);
    }
    if (!isNear || isShown) {
      return;
    }
    this._warnedOf = state.stops_at;
    const actions = state.keep.slice(0, 2).map(hours => ({
      label: `Keep it for ${hours} h`,
      callback: () => this.keep(hours),
    }));
    this._warning = Notification.warning(state.warning, { autoClose: false, actions });
  }

  private _warning: string | null = null;
  private _warnedOf = "";
  private _mismatch: string | null = null;
  private _question: string | null = null;
  private _together = new Set<string>();
}

/** Its first sentence, with the whole a click away; once in a tab. The notification's id, or null. */
function notifyOnce(kind: "info" | "warning", text: string, actions: Notification.IAction[] = []): string | null {
  if (hasBeenShown(text)) {
    return null;
  }
  setShown(text);
  const short = summary(text);
  const showAll = () => void showDialog({ title: "Your Lab", body: text, buttons: [Dialog.okButton()] });
  const more = short === text ? [] : [{ label: "More", callback: showAll }];
  return Notification[kind](short, { autoClose: false, actions: [...actions, ...more] });
}

/** The first sentence; of a longer one its beginning. */
function summary(text: string): string {
  const short = /^.*?[.!?](?=\s|$)/s.exec(text)?.[0] ?? text;
  return short.length <= NOTIFICATION_LENGTH ? short : `${short.slice(0, NOTIFICATION_LENGTH - 1)}…`;
}

function dismiss(id: string | null): null {
  if (id) {
    Notification.dismiss(id);
  }
  return null;
}
