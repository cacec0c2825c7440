import type { YDocument } from "@jupyter/ydoc";
import { PromiseDelegate } from "@lumino/coreutils";
import { ISignal, Signal } from "@lumino/signaling";
import type { Transaction } from "yjs";

import { ISession, NoRoomError, requestSession, roomAddress } from "./session";
import { IRoomEnd, IRoomNews, IRoomWord, RoomSocket } from "./socket";

/** Before the first word of a room that has been promised. */
const PATIENCE_MS = 20 * 1000;

/**
 * "joining": asked for; "joined"; "offline": the page types on alone, for a while; "over": until `rejoin`, else what is
 * typed is lost with the page; "alone": there is no room, the document is an ordinary one.
 */
export type RoomState = "joining" | "joined" | "offline" | "over" | "alone";

/** Somebody else who has the document open now; names and colours are the portal's. */
export interface IPerson {
  username: string;
  name: string;
  color: string;
}

/** A document of the Drive that several people have open, or its place while that is asked. */
export class Room {
  /**
   * `path`: below the home; `format` and `type` as JupyterLab's contents service has them; `session`: where it was asked
   * for already.
   */
  constructor(
    path: string,
    readonly format: string,
    readonly type: string,
    readonly document: YDocument<any>,
    session: Promise<ISession> = requestSession(path, format, type),
  ) {
    this._path = path;
    this.replaceDirty();
    document.ydoc.on("update", this.onUpdate);
    document.awareness.setLocalStateField("user", {});
    document.awareness.on("change", this.onPeople);
    document.disposed.connect(this.dispose, this);
    void this.join(session);
  }

  /** Settles when it is known whether there is a room; then the document has its content, if there is. */
  get isJoined(): Promise<boolean> {
    return this._isJoined.promise;
  }

  get state(): RoomState {
    return this._state;
  }

  /** Settles when the document has what the room has, or will not be the room's any more. */
  async whenConnected(): Promise<void> {
    await this.isJoined;
    while (this._state === "offline") {
      await new Promise<void>(resolve => {
        const look = () => {
          if (this._state !== "offline" || this.document.isDisposed) {
            this._changed.disconnect(look);
            resolve();
          }
        };
        this._changed.connect(look);
        this.document.disposed.connect(look);
      });
      if (this.document.isDisposed) {
        return;
      }
    }
  }

  /** The document is the room's, connected or not. */
  get isShared(): boolean {
    return this._state !== "alone";
  }

  /** Why the document is opened alone; null where that is as it should be. */
  get refusal(): NoRoomError | null {
    return this._refusal;
  }

  get mayWrite(): boolean {
    return this._mayWrite;
  }

  /** All that was typed here is in the file. */
  get isSaved(): boolean {
    return this._isSaved;
  }

  /** What hinders saving. */
  get words(): readonly IRoomWord[] {
    return this._words;
  }

  get path(): string {
    return this._path;
  }

  /** State, people or words may have changed. */
  get changed(): ISignal<Room, void> {
    return this._changed;
  }

  /** The file has another path below the home now; with the path before. */
  get moved(): ISignal<Room, string> {
    return this._moved;
  }

  /** A word that was not there before. */
  get said(): ISignal<Room, IRoomWord> {
    return this._said;
  }

  get ended(): ISignal<Room, IRoomEnd> {
    return this._ended;
  }

  /** Others who are here, each once. */
  get people(): IPerson[] {
    const found = new Map<string, IPerson>();
    for (const [client, { user }] of this.document.awareness.getStates()) {
      if (client !== this.document.ydoc.clientID && user?.username && user.username !== ownUsername()) {
        const { username, display_name, name, color } = user;
        found.set(username, { username, name: display_name ?? name ?? username, color });
      }
    }
    return [...found.values()].sort((one, other) => one.name.localeCompare(other.name));
  }

  /** Whether a change of the document comes from the room, not from this page. */
  isRemote(transaction: Transaction): boolean {
    return transaction.origin === this._socket && this._socket !== null;
  }

  async save(): Promise<void> {
    if (this._state === "over" || !this._socket) {
      throw new Error("This page is not connected to the file any more. Use “Save As” to keep what it shows.");
    }
    if (!this._mayWrite) {
      throw new Error("You may only read this file. Use “Save As” to keep a copy of what you see.");
    }
    await this._socket.save();
  }

  /**
   * After the session was ended, as by signing out: go on with it, and with all that was typed meanwhile, if the room
   * is the same and this page may do the same. Whether it did.
   */
  async rejoin(): Promise<boolean> {
    const before = this._session;
    if (this._state !== "over" || !before) {
      return false;
    }
    try {
      const session = await requestSession(this._path, this.format, this.type);
      const isSame = session.fileId === before.fileId && session.sessionId === before.sessionId;
      if (isSame && this._state === "over") {
        await this.enter(session);
      }
      return isSame;
    } catch {
      return false;
    }
  }

  /** The file was renamed or moved, here or elsewhere. */
  setPath(path: string): void {
    this._path = path;
    this._changed.emit();
  }

  dispose(): void {
    this._socket?.dispose();
    this._isJoined.resolve(false);
    this.document.ydoc.off("update", this.onUpdate);
    Signal.clearData(this);
  }

  private async join(asked: Promise<ISession>): Promise<void> {
    try {
      const session = await asked;
      this._mayWrite = !session.sessionId.endsWith(".r");
      this._session = session;
      await this.enter(session);
      this._isJoined.resolve(true);
    } catch (error) {
      this._socket?.dispose();
      this._socket = null;
      this._refusal = error instanceof NoRoomError ? error : new NoRoomError("", true);
      this.setState("alone");
      this._isJoined.resolve(false);
    }
  }

  /** Settles when the room's content is here; NoRoomError when it does not come. */
  private enter(session: ISession): Promise<void> {
    const { ydoc, awareness } = this.document;
    const socket = new RoomSocket(roomAddress(session), ydoc, awareness, () => this._mayWrite);
    this._socket = socket;
    this.setState(this._state === "over" ? "offline" : this._state);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new NoRoomError("", true)), PATIENCE_MS);
      socket.news.connect((_, news) => this.take(news));
      socket.changed.connect(() => {
        if (socket.wasSynced) {
          clearTimeout(timer);
          this.setState(socket.isSynced ? "joined" : "offline");
          resolve();
        }
      });
      socket.ended.connect((_, end) => {
        clearTimeout(timer);
        reject(new NoRoomError(end.errorReason ?? "", false));
        this.finish(end);
      });
    });
  }

  private finish(end: IRoomEnd): void {
    if (this._state !== "joining") {
      this.setState("over");
      this._ended.emit(end);
    }
  }

  private take(news: IRoomNews): void {
    if (news.write === false) {
      this._mayWrite = false;
    }
    this.setSaved(news.saved ?? this._isSaved);
    const before = this._words;
    this._words = news.words ?? [];
    this.follow(news.path ?? "");
    for (const word of this._words) {
      if (!before.some(({ state, text }) => state === word.state && text === word.text)) {
        this._said.emit(word);
      }
    }
    this._changed.emit();
  }

  /** `inside`: the file's path in its library, of which this page's path ends with the earlier one. */
  private follow(inside: string): void {
    const before = this._inside;
    this._inside = inside || before;
    if (inside && before && before !== inside && this._path.endsWith(`/${before}`)) {
      const path = this._path;
      this._path = path.slice(0, -before.length) + inside;
      this._moved.emit(path);
    }
  }

  /** Whether it is saved is the room's to say: shared by the document, each page would write it for all. */
  private replaceDirty(): void {
    const document = this.document;
    Object.defineProperty(document, "dirty", {
      get: () => (this.isShared ? this._mayWrite && !this._isSaved : document.getState("dirty") === true),
      set: (value: boolean) => {
        if (!this.isShared) {
          document.transact(() => document.setState("dirty", value), false);
        }
      },
    });
  }

  private readonly onUpdate = (_: Uint8Array, origin: unknown): void => {
    if (origin !== this._socket && this._state !== "joining" && this._mayWrite) {
      this.setSaved(false);
    }
  };

  private readonly onPeople = (): void => this._changed.emit();

  private setSaved(isSaved: boolean): void {
    if (isSaved !== this._isSaved) {
      this._isSaved = isSaved;
      this._changed.emit();
    }
  }

  private setState(state: RoomState): void {
    if (state !== this._state) {
      this._state = state;
      this._changed.emit();
    }
  }

  private _path: string;
  private _inside = "";
  private _state: RoomState = "joining";
  private _session: ISession | null = null;
  private _refusal: NoRoomError | null = null;
  private _mayWrite = false;
  private _isSaved = true;
  private _words: readonly IRoomWord[] = [];
  private _socket: RoomSocket | null = null;
  private readonly _isJoined = new PromiseDelegate<boolean>();
  private readonly _changed = new Signal<Room, void>(this);
  private readonly _moved = new Signal<Room, string>(this);
  private readonly _said = new Signal<Room, IRoomWord>(this);
  private readonly _ended = new Signal<Room, IRoomEnd>(this);
}

/** Of the person whose Lab this is: its origin has their name. */
function ownUsername(): string {
  return window.location.hostname.split(".")[0];
}
