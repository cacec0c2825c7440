import { Dialog, Notification, showDialog } from "@jupyterlab/apputils";
import { PathExt } from "@jupyterlab/coreutils";

import { Room } from "./room";
import { IRoomEnd, IRoomWord } from "./socket";

/** Words that only the status bar has. */
const QUIET = new Set(["merged"]);

/** Notifications and dialogs about one document: what hinders saving, deleted, moved, the end of the session. */
export class RoomMessages {
  /** `restore`: write the document to where it was. */
  constructor(
    private readonly room: Room,
    private readonly restore: () => Promise<unknown>,
  ) {
    room.said.connect((_, word) => void this.say(word));
    room.changed.connect(this.update, this);
    room.ended.connect((_, end) => void this.sayEnd(end));
    room.moved.connect(() => Notification.info(`The file was moved: it is “${this.room.path}” now.`));
    void room.isJoined.then(() => this.sayAlone());
  }

  private get name(): string {
    return `“${PathExt.basename(this.room.path)}”`;
  }

  private async say(word: IRoomWord): Promise<void> {
    if (word.state === "deleted") {
      await this.sayDeleted(word);
    } else if (!QUIET.has(word.state)) {
      this._shown.set(word.state, Notification.warning(`${this.name}: ${word.text}`, { autoClose: false }));
    }
  }

  private update(): void {
    for (const [state, id] of this._shown) {
      if (!this.room.words.some(word => word.state === state)) {
        Notification.dismiss(id);
        this._shown.delete(state);
      }
    }
    if (this._mayWrite && !this.room.mayWrite && this.room.state === "joined") {
      const text = `You may only read ${this.name} now. What you type from now on stays in this page.`;
      Notification.warning(text, { autoClose: false });
    }
    this._mayWrite = this.room.mayWrite && this.room.state === "joined";
  }

  private async sayDeleted({ text, by }: IRoomWord): Promise<void> {
    const button = Dialog.okButton({ label: "Restore it" });
    const { mayWrite } = this.room;
    const answer = await showDialog({
      title: `${this.name} was deleted${by ? ` by ${by}` : ""}`,
      body: `${text} What is open here is still here.`,
      buttons: [Dialog.cancelButton({ label: "Close" }), ...(mayWrite ? [button] : [])],
    });
    if (!answer.button.accept) {
      return;
    }
    try {
      await this.restore();
    } catch (error) {
      Notification.error(`${this.name} could not be restored: ${(error as Error).message}`);
    }
  }

  private async sayEnd({ errorReason, reloadable }: IRoomEnd): Promise<void> {
    const advice = "What you type from now on is not kept. “Save As” makes a copy of what this page shows.";
    const buttons = [Dialog.cancelButton({ label: "Close" })];
    if (reloadable) {
      buttons.push(Dialog.okButton({ label: "Reload the page" }));
    }
    const title = `${this.name} is not connected any more`;
    const dialog = new Dialog({ title, body: [errorReason, advice].filter(Boolean).join(" "), buttons });
    const rejoin = async () => {
      if (!document.hidden && (await this.room.rejoin())) {
        dialog.reject();
        document.removeEventListener("visibilitychange", rejoin);
      }
    };
    document.addEventListener("visibilitychange", rejoin); // from a tab in which its person has signed in again
    this.room.document.disposed.connect(() => document.removeEventListener("visibilitychange", rejoin));
    if ((await dialog.launch()).button.accept) {
      window.location.reload();
    }
  }

  private sayAlone(): void {
    if (this.room.refusal?.isDown) {
      const text = `${this.name} is opened alone: editing together does not answer. JupyterLab asks before you save over others’ changes.`;
      Notification.warning(text, { autoClose: 10_000 });
    }
  }

  private _mayWrite = false;
  private readonly _shown = new Map<string, string>();
}
