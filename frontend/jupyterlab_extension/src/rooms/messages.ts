import { Dialog, Notification } from "@jupyterlab/apputils";
import { PathExt } from "@jupyterlab/coreutils";

import { Room } from "./room";
import { IRoomEnd, IRoomWord } from "./socket";

/** What ends within so many milliseconds is told in one dialog. */
const TOGETHER_MS = 300;
/** Words that only the status bar has. */
const QUIET = new Set(["merged"]);

let isSaidAlone = false;

/** Notifications and dialogs about one document: what hinders saving, deleted, moved, the end of the session. */
export class RoomMessages {
  /** `restore`: write the document to where it was. */
  constructor(
    private readonly room: Room,
    private readonly restore: () => Promise<unknown>,
  ) {
    room.said.connect((_, word) => void this.say(word));
    room.changed.connect(this.update, this);
    room.ended.connect((_, end) => endings.add(room, end));
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
    if (!this.room.words.some(({ state }) => state === "deleted")) {
      this._deleted?.reject(); // somebody has restored it
    }
    if (this._mayWrite && !this.room.mayWrite && this.room.state === "joined") {
      const text = `You may only read ${this.name} now. What you type from now on stays in this page.`;
      Notification.warning(text, { autoClose: false });
    }
    this._mayWrite = this.room.mayWrite && this.room.state === "joined";
  }

  private async sayDeleted({ text, by }: IRoomWord): Promise<void> {
    const buttons = [Dialog.cancelButton({ label: "Close" })];
    if (this.room.mayWrite) {
      buttons.push(Dialog.okButton({ label: "Restore it" }));
    }
    const title = `${this.name} was deleted${by ? ` by ${by}` : ""}`;
    this._deleted = new Dialog({ title, body: `${text} What is open here is still here.`, buttons });
    const { button } = await this._deleted.launch();
    this._deleted = null;
    if (button.accept) {
      await this.restore().catch(error => Notification.error(`${this.name} was not restored: ${error.message}`));
    }
  }

  private sayAlone(): void {
    if (this.room.refusal?.isDown && !isSaidAlone) {
      isSaidAlone = true; // once in a page: of each file the status bar says it
      const text = `${this.name} is opened alone: editing together does not answer. JupyterLab asks before you save over others’ changes.`;
      Notification.warning(text, { autoClose: 10_000 });
    }
  }

  private _deleted: Dialog<unknown> | null = null;
  private _mayWrite = false;
  private readonly _shown = new Map<string, string>();
}

/** One dialog about all documents whose sessions have ended, as when their person has signed out. */
class Endings {
  constructor() {
    document.addEventListener("visibilitychange", () => void this.rejoin());
  }

  add(room: Room, end: IRoomEnd): void {
    this._rooms.add(room);
    room.document.disposed.connect(() => this._rooms.delete(room));
    this._end = end;
    clearTimeout(this._timer);
    this._timer = window.setTimeout(() => void this.say(), TOGETHER_MS);
  }

  private async say(): Promise<void> {
    if (this._dialog || !this._rooms.size) {
      return;
    }
    const [first, ...others] = [...this._rooms].map(({ path }) => `“${PathExt.basename(path)}”`);
    const more = others.length ? ` and ${others.length} more ${others.length > 1 ? "are" : "is"}` : " is";
    const advice = "What you type from now on is not kept. “Save As” makes a copy of what this page shows.";
    const buttons = [Dialog.cancelButton({ label: "Close" })];
    if (this._end.reloadable) {
      buttons.push(Dialog.okButton({ label: "Reload the page" }));
    }
    const body = [this._end.errorReason, advice].filter(Boolean).join(" ");
    this._dialog = new Dialog({ title: `${first}${more} not connected any more`, body, buttons });
    const { button } = await this._dialog.launch();
    this._dialog = null;
    if (button.accept) {
      window.location.reload();
    }
  }

  /** When their person comes back from a tab in which they have signed in again. */
  private async rejoin(): Promise<void> {
    if (document.hidden) {
      return;
    }
    for (const room of [...this._rooms]) {
      if (await room.rejoin()) {
        this._rooms.delete(room);
      }
    }
    if (!this._rooms.size) {
      this._dialog?.reject();
    }
  }

  private _end: IRoomEnd = {};
  private _timer = 0;
  private _dialog: Dialog<unknown> | null = null;
  private readonly _rooms = new Set<Room>();
}

const endings = new Endings();
