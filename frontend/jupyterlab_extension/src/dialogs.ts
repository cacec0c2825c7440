import { Dialog, showDialog } from "@jupyterlab/apputils";

import { Lab } from "./lab";
import { ILabState } from "./requests";

/** Dialogs that say why nothing works any more: the Lab has stopped, or the sign-in has ended. Once for each. */
export class EndDialogs {
  constructor(lab: Lab) {
    lab.answered.connect(() => {
      if (lab.state) {
        this.update(lab.state);
      }
    });
    // A dialog: what shows notifications is loaded with the first of them, and without a sign-in nothing is.
    lab.signedOut.connect(() => void showSignedOut());
  }

  /** The page that comes now says it. */
  saySomewhereElse(): void {
    this._isStopShown = true;
  }

  private update(state: ILabState): void {
    if (state.running) {
      this._isStopShown = false;
    } else if (state.ended && !this._isStopShown) {
      this._isStopShown = true;
      void showStopped(state);
    }
  }

  private _isStopShown = false;
}

/** In place of JupyterLab's “check your network connection”. */
async function showStopped(state: ILabState): Promise<void> {
  const advice =
    "What is open in this tab is still here: start the Lab again in another tab, then come back and save it.";
  if (await ask("Your Lab has stopped", `${state.ended} ${advice}`, "Start it again")) {
    const query = new URLSearchParams({ next: window.location.pathname });
    window.open(`${state.portal_lab}?${query}`, "_blank");
  }
}

async function showSignedOut(): Promise<void> {
  const body =
    "You have signed out, or your sign-in has ended. What is open in this tab is still here: sign in again in another tab, then this one goes on.";
  if (await ask("You are signed out", body, "Sign in again")) {
    window.open("/lab", "_blank");
  }
}

async function ask(title: string, body: string, label: string): Promise<boolean> {
  const buttons = [Dialog.cancelButton({ label: "Close" }), Dialog.okButton({ label })];
  return (await showDialog({ title, body, buttons })).button.accept;
}
