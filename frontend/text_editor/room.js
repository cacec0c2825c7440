/* One connection to the room of a file: the shared text, who is here, what the room says (rooms/room/messages.py). */
import * as decoding from "lib0/decoding";
import * as encoding from "lib0/encoding";
import { applyAwarenessUpdate, Awareness, encodeAwarenessUpdate, removeAwarenessStates } from "y-protocols/awareness";
import { readSyncMessage, writeSyncStep1, writeUpdate } from "y-protocols/sync";
import { Doc } from "yjs";

const SYNC = 0;
const AWARENESS = 1;
const RAW = 2;
const SESSION_OVER = 1003;
const SAVE_WAITS = 10_000; // ms
const WAITS = [250, 1000, 2000, 5000]; // ms until it connects again

export class Room {
  /* `on` has functions: `synced()`, `said(message)`, `online(bool)`, `over(sentence)`, `people(states)`. */
  constructor(address, on) {
    this.address = address;
    this.on = on;
    this.doc = new Doc();
    this.text = this.doc.getText("source");
    this.awareness = new Awareness(this.doc);
    this.synced = false;
    this.tries = 0;
    this.ended = false;
    this.saves = new Map(); // number to what its answer calls
    this.lastSave = 0;
    this.doc.on("update", (update, origin) => {
      if (origin !== this) this.send(SYNC, encoder => writeUpdate(encoder, update));
    });
    this.awareness.on("update", ({ added, updated, removed }, origin) => {
      const changed = [...added, ...updated, ...removed];
      if (origin !== this && changed.includes(this.doc.clientID)) this.sendAwareness();
      this.on.people([...this.awareness.getStates()].filter(([id]) => id !== this.doc.clientID));
    });
    this.connect();
  }

  connect() {
    const socket = new WebSocket(this.address);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onopen = () => {
      this.tries = 0;
      this.send(SYNC, encoder => writeSyncStep1(encoder, this.doc));
      this.awareness.setLocalStateField("user", {}); // the room writes who that is
      this.sendAwareness();
      this.on.online(true);
    };
    socket.onmessage = event => this.receive(new Uint8Array(event.data));
    socket.onclose = event => this.closed(event);
  }

  closed(event) {
    const others = [...this.awareness.getStates().keys()].filter(id => id !== this.doc.clientID);
    removeAwarenessStates(this.awareness, others, this);
    if (this.ended) return;
    this.on.online(false);
    if (event.code === SESSION_OVER) this.end(sentenceOf(event.reason));
    else setTimeout(() => this.ended || this.connect(), WAITS[Math.min(this.tries++, WAITS.length - 1)]);
  }

  /* For good. */
  end(sentence) {
    if (this.ended) return;
    this.ended = true;
    this.socket.close();
    this.on.over(sentence);
  }

  send(type, write) {
    if (this.socket.readyState !== WebSocket.OPEN) return; // what is missing is exchanged on connecting
    const encoder = encoding.createEncoder();
    encoding.writeVarUint(encoder, type);
    write(encoder);
    this.socket.send(encoding.toUint8Array(encoder));
  }

  /* Have the room save all that was typed here; whether it did. False, too, when it does not answer for ten seconds. */
  save() {
    const number = ++this.lastSave;
    return new Promise(resolve => {
      this.saves.set(number, resolve);
      setTimeout(resolve, SAVE_WAITS, false);
      this.send(RAW, encoder => {
        encoding.writeVarString(encoder, "save");
        encoding.writeVarUint(encoder, number);
      });
    }).finally(() => this.saves.delete(number));
  }

  sendAwareness() {
    const update = encodeAwarenessUpdate(this.awareness, [this.doc.clientID]);
    this.send(AWARENESS, encoder => encoding.writeVarUint8Array(encoder, update));
  }

  receive(message) {
    const decoder = decoding.createDecoder(message);
    const type = decoding.readVarUint(decoder);
    if (type === SYNC) this.receiveSync(decoder);
    else if (type === AWARENESS) applyAwarenessUpdate(this.awareness, decoding.readVarUint8Array(decoder), this);
    else if (type === RAW) this.receiveRaw(JSON.parse(decoding.readVarString(decoder)));
  }

  receiveSync(decoder) {
    const encoder = encoding.createEncoder();
    encoding.writeVarUint(encoder, SYNC);
    const step = readSyncMessage(decoder, encoder, this.doc, this);
    if (encoding.length(encoder) > 1) this.socket.send(encoding.toUint8Array(encoder));
    if (step !== 1 || this.synced) return; // 1: what we lacked
    this.synced = true;
    this.on.synced();
  }

  receiveRaw(message) {
    if (message.type === "room") this.on.said(message);
    if (message.type === "save") this.saves.get(message.responseTo)?.(message.status === "success");
  }
}

function sentenceOf(reason) {
  try {
    return JSON.parse(reason).errorReason || "";
  } catch {
    return "";
  }
}
