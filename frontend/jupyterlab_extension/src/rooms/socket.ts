import { ISignal, Signal } from "@lumino/signaling";
import * as decoding from "lib0/decoding";
import * as encoding from "lib0/encoding";
import { Awareness, applyAwarenessUpdate, encodeAwarenessUpdate, removeAwarenessStates } from "y-protocols/awareness";
import * as sync from "y-protocols/sync";
import * as Y from "yjs";

/** Types of messages (rooms/room/messages.py): the first two are y-protocols' own. */
const SYNC = 0;
const AWARENESS = 1;
const RAW = 2;

/** After a silence of so long the room is asked for its state; when it does not answer, the connection is dead. */
const SILENCE_MS = 15 * 1000;
const ANSWER_MS = 10 * 1000;
/** Before the first new attempt; then twice as long each time, up to the other. */
const RETRY_MS = 400;
const LONGEST_RETRY_MS = 8000;
/** Of WebSocket (RFC 6455, section 7.4): the session is over for good, the reason says why. */
const SESSION_OVER = 1003;

const OFFLINE = "There is no connection. What you typed is kept in this page, and saved when the connection is back.";

/** What the room says about itself and this page. */
export interface IRoomNews {
  /** Of the file in its library. */
  path?: string;
  /** False: what is typed here stays here. */
  write?: boolean;
  /** All that the room has is in the file. */
  saved?: boolean;
  /** What hinders saving, or has happened. */
  words?: IRoomWord[];
}

export interface IRoomWord {
  state: string;
  /** A sentence for people. */
  text: string;
  /** Whose doing it was; empty when nobody knows. */
  by?: string;
}

/** Why a session is over. */
export interface IRoomEnd {
  errorReason?: string;
  /** A reload of the page may help. */
  reloadable?: boolean;
}

/**
 * The connection of one document to its room: y-protocols over a WebSocket, connected again until it is disposed or
 * the room ends the session. What is typed in between is sent afterwards.
 */
export class RoomSocket {
  /** `mayWrite`: whether edits are sent; it may become false, never true again. */
  constructor(
    private readonly url: string,
    private readonly doc: Y.Doc,
    private readonly awareness: Awareness,
    private readonly mayWrite: () => boolean,
  ) {
    doc.on("update", this.onUpdate);
    awareness.on("update", this.onAwareness);
    window.addEventListener("offline", this.onOffline);
    window.addEventListener("online", this.onOnline);
    this.connect();
  }

  /** The room has sent what it has since the page connected. */
  get isSynced(): boolean {
    return this._isSynced;
  }

  /** It has ever been synced. */
  get wasSynced(): boolean {
    return this._wasSynced;
  }

  /** `isSynced` may have changed. */
  get changed(): ISignal<RoomSocket, void> {
    return this._changed;
  }

  get news(): ISignal<RoomSocket, IRoomNews> {
    return this._news;
  }

  /** The room has ended the session: nothing more comes or goes. */
  get ended(): ISignal<RoomSocket, IRoomEnd> {
    return this._ended;
  }

  /** Ask the room to write the file now; Error with what to tell when it does not. */
  async save(): Promise<void> {
    if (!this._isSynced) {
      throw new Error(OFFLINE);
    }
    const id = ++this._saves;
    const answer = new Promise<string>(resolve => this._answers.set(id, resolve));
    this.send(RAW, encoder => {
      encoding.writeVarString(encoder, "save");
      encoding.writeVarUint(encoder, id);
    });
    const status = await answer;
    if (status === "gone") {
      throw new Error(OFFLINE);
    }
    if (status === "failed") {
      throw new Error("The file could not be written. What you typed is kept, and will be tried again.");
    }
  }

  dispose(): void {
    this._isDisposed = true;
    clearTimeout(this._timer);
    this.doc.off("update", this.onUpdate);
    this.awareness.off("update", this.onAwareness);
    window.removeEventListener("offline", this.onOffline);
    window.removeEventListener("online", this.onOnline);
    this.drop();
    Signal.clearData(this);
  }

  private readonly connect = (): void => {
    if (this._isDisposed || this._socket) {
      return;
    }
    clearTimeout(this._timer);
    const socket = new WebSocket(this.url);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.greet();
    socket.onmessage = ({ data }) => this.receive(new Uint8Array(data));
    socket.onclose = ({ code, reason }) => this.onClose(code, reason);
    this._socket = socket;
    this._timer = window.setTimeout(() => this.onClose(0, ""), ANSWER_MS);
  };

  private greet(): void {
    this.expectSound();
    this.askForState();
    if (this.awareness.getLocalState() !== null) {
      this.sendAwareness([this.doc.clientID]);
    }
  }

  private askForState(): void {
    this.send(SYNC, encoder => sync.writeSyncStep1(encoder, this.doc));
  }

  private receive(message: Uint8Array): void {
    this.expectSound();
    const decoder = decoding.createDecoder(message);
    switch (decoding.readVarUint(decoder)) {
      case SYNC:
        this.receiveSync(decoder);
        break;
      case AWARENESS:
        applyAwarenessUpdate(this.awareness, decoding.readVarUint8Array(decoder), this);
        break;
      case RAW:
        this.receiveRaw(decoding.readVarString(decoder));
    }
  }

  private receiveSync(decoder: decoding.Decoder): void {
    const encoder = encoding.createEncoder();
    encoding.writeVarUint(encoder, SYNC);
    const kind = sync.readSyncMessage(decoder, encoder, this.doc, this);
    if (encoding.length(encoder) > 1 && this.mayWrite()) {
      this.sendBytes(encoding.toUint8Array(encoder));
    }
    if (kind === sync.messageYjsSyncStep2 && !this._isSynced) {
      this._isSynced = this._wasSynced = true;
      this._retry = RETRY_MS;
      this._changed.emit();
    }
  }

  private receiveRaw(text: string): void {
    const message = JSON.parse(text);
    if (message.type === "room") {
      this._news.emit(message);
    } else if (message.type === "save") {
      this._answers.get(message.responseTo)?.(message.status);
      this._answers.delete(message.responseTo);
    }
  }

  private readonly onUpdate = (update: Uint8Array, origin: unknown): void => {
    if (origin !== this && this.mayWrite()) {
      this.send(SYNC, encoder => sync.writeUpdate(encoder, update));
    }
  };

  private readonly onAwareness = ({ added, updated, removed }: Record<string, number[]>, origin: unknown): void => {
    const isOurs = [...added, ...updated, ...removed].includes(this.doc.clientID);
    if (origin !== this && isOurs) {
      this.sendAwareness([this.doc.clientID]);
    }
  };

  private sendAwareness(clients: number[]): void {
    this.send(AWARENESS, encoder =>
      encoding.writeVarUint8Array(encoder, encodeAwarenessUpdate(this.awareness, clients)),
    );
  }

  private send(type: number, write: (encoder: encoding.Encoder) => void): void {
    const encoder = encoding.createEncoder();
    encoding.writeVarUint(encoder, type);
    write(encoder);
    this.sendBytes(encoding.toUint8Array(encoder));
  }

  private sendBytes(message: Uint8Array): void {
    if (this._socket?.readyState === WebSocket.OPEN) {
      this._socket.send(message);
    } // else the sync after the next connection carries it
  }

  /** A connection that has died says nothing: neither does the browser, for minutes. */
  private expectSound(): void {
    clearTimeout(this._timer);
    this._timer = window.setTimeout(() => {
      this.askForState();
      this._timer = window.setTimeout(() => this.onClose(0, ""), ANSWER_MS);
    }, SILENCE_MS);
  }

  private readonly onOffline = (): void => this.onClose(0, "");

  private readonly onOnline = (): void => {
    if (this._socket?.readyState !== WebSocket.OPEN) {
      this.drop();
      this._retry = RETRY_MS;
      this.connect();
    }
  };

  private onClose(code: number, reason: string): void {
    this.drop();
    clearTimeout(this._timer);
    if (code === SESSION_OVER) {
      this.end(reason);
    } else if (!this._isDisposed) {
      this._timer = window.setTimeout(this.connect, this._retry * (0.75 + Math.random() / 2));
      this._retry = Math.min(2 * this._retry, LONGEST_RETRY_MS);
    }
    this._changed.emit();
  }

  private end(reason: string): void {
    let end: IRoomEnd;
    try {
      end = JSON.parse(reason);
    } catch {
      end = { errorReason: reason };
    }
    this._ended.emit(end);
    this.dispose();
  }

  private drop(): void {
    const socket = this._socket;
    this._socket = null;
    this._isSynced = false;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
    this._answers.forEach(answer => answer("gone"));
    this._answers.clear();
    const others = [...this.awareness.getStates().keys()].filter(id => id !== this.doc.clientID);
    removeAwarenessStates(this.awareness, others, this);
    others.forEach(id => this.awareness.meta.delete(id)); // else their states, unchanged, are no news afterwards
  }

  private _socket: WebSocket | null = null;
  private _isSynced = false;
  private _wasSynced = false;
  private _isDisposed = false;
  private _retry = RETRY_MS;
  private _timer = 0;
  private _saves = 0;
  private readonly _answers = new Map<number, (status: string) => void>();
  private readonly _changed = new Signal<RoomSocket, void>(this);
  private readonly _news = new Signal<RoomSocket, IRoomNews>(this);
  private readonly _ended = new Signal<RoomSocket, IRoomEnd>(this);
}
