import { ISignal, Signal } from "@lumino/signaling";
import { Widget } from "@lumino/widgets";

import { Room } from "./room";

/** What hinders saving, in the status bar's few words; the room's sentence is its title. */
const HINDRANCES: Record<string, string> = {
  deleted: "Deleted",
  "no-space": "Not saved: the disk is full",
  quota: "Not saved: no room left",
  "read-only": "Not saved: read-only",
  failed: "Not saved yet",
  unreadable: "Not saved: changed elsewhere",
};

/** The status bar's item about the document in front: who is in it, whether it is saved, read-only, or offline. */
export class RoomStatus extends Widget {
  constructor() {
    super();
    this.addClass("jp-StatusBar-TextItem");
    this.addClass("collaboratory-RoomStatus");
    this.node.setAttribute("role", "status");
  }

  /** There is something to show. */
  get isActive(): boolean {
    return this._isActive;
  }

  get activeChanged(): ISignal<RoomStatus, void> {
    return this._activeChanged;
  }

  /** Show this document's room from now on. */
  setRoom(room: Room | null): void {
    this._room?.changed.disconnect(this.draw, this);
    this._room = room;
    room?.changed.connect(this.draw, this);
    this.draw();
  }

  private draw(): void {
    const room = this._room;
    const text = room ? sentence(room) : "";
    if (this._isActive !== Boolean(text)) {
      this._isActive = Boolean(text);
      this._activeChanged.emit();
    }
    if (!room || this.node.dataset.drawn === key(room, text)) {
      return; // of every movement of a cursor
    }
    this.node.dataset.drawn = key(room, text);
    this.node.dataset.state = room.state;
    const people = room.state === "joined" ? room.people : [];
    this.node.replaceChildren(...people.map(({ color }) => dot(color)), document.createTextNode(text));
    this.node.title = title(room);
  }

  private _room: Room | null = null;
  private _isActive = false;
  private readonly _activeChanged = new Signal<RoomStatus, void>(this);
}

function key(room: Room, text: string): string {
  return `${room.state} ${text} ${room.people.map(({ color }) => color).join()} ${title(room)}`;
}

function sentence(room: Room): string {
  const names = room.people.map(({ name }) => name).join(", ");
  switch (room.state) {
    case "joining":
      return "";
    case "alone":
      return room.refusal?.isDown ? "Opened alone: editing together does not answer" : "";
    case "offline":
      return room.mayWrite ? "Offline: typing is kept here" : "Offline";
    case "over":
      return "Not connected any more: reload the page";
    case "joined":
      if (!room.mayWrite) {
        return names ? `Read-only · with ${names}` : "Read-only";
      }
      return names ? `With ${names} · ${saving(room)}` : capitalized(saving(room));
  }
}

function saving(room: Room): string {
  const hindrance = room.words.find(({ state }) => state in HINDRANCES);
  if (hindrance) {
    const by = hindrance.by ? ` by ${hindrance.by}` : "";
    return HINDRANCES[hindrance.state] + by;
  }
  return room.isSaved ? "saved" : "saving…";
}

function title(room: Room): string {
  const lines = room.words.map(({ text }) => text);
  if (room.state === "offline" && room.mayWrite) {
    lines.push("What you type is sent and saved when the connection is back. Keep this page open until then.");
  }
  if (room.state === "joined" && !room.mayWrite) {
    lines.push("You follow what others do. What you try here is seen by nobody, and not kept; “Save As” makes a copy.");
  }
  if (room.refusal?.isDown) {
    lines.push("Others do not see what you type. Before you save over their changes, JupyterLab asks.");
  }
  return lines.join("\n");
}

function capitalized(text: string): string {
  return text[0].toUpperCase() + text.slice(1);
}

function dot(color: string): HTMLElement {
  const node = document.createElement("span");
  node.className = "collaboratory-Person";
  node.style.setProperty("--collaboratory-person", color);
  return node;
}
