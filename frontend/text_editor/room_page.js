/* The editor's page where a room answers: typing is shared and saves itself, and the page says with whom and how it stands. */
import { keymap } from "@codemirror/view";
import { history, historyKeymap } from "@codemirror/commands";
import { yCollab, yUndoManagerKeymap } from "y-codemirror.next";

import { remoteCursors } from "./remote_cursors.js";
import { Room } from "./room.js";
import { fill, ofRoom, words } from "./words.js";

export async function joinRoom(form, editor, drafts) {
  if (drafts.offered || form.dataset.unsaved === "1") return; // a text of one's own is to be decided about first
  const session = await ask(form);
  if (session) new RoomPage(form, editor, drafts, session);
}

/* The room's session; null where files are edited as without rooms. */
async function ask(form) {
  try {
    const answer = await fetch(form.dataset.session, {
      method: "PUT",
      headers: { "Content-Type": "application/json", "X-CSRFToken": form.elements.csrfmiddlewaretoken.value },
      body: JSON.stringify({ format: "text", type: "file" }),
      signal: AbortSignal.timeout(5000),
    });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null; // the room does not answer
  }
}

class RoomPage {
  constructor(form, editor, drafts, session) {
    Object.assign(this, { form, editor, drafts });
    this.status = form.querySelector("[data-room-status]");
    this.warning = form.querySelector("[data-room-warning]");
    this.state = { connected: false, said: {}, names: [] };
    const address = new URL(`/drive/collaboration/room/text:file:${session.fileId}`, location.href);
    address.protocol = address.protocol.replace("http", "ws");
    address.search = new URLSearchParams({ sessionId: session.sessionId });
    this.room = new Room(address, {
      synced: () => this.begin(),
      said: said => this.show({ said }),
      online: connected => this.show({ connected }),
      people: states => this.show({ names: namesOf(states) }),
      over: sentence => this.leave(sentence),
    });
    form.querySelector("[data-done]").addEventListener("click", event => this.done(event));
    window.addEventListener("beforeunload", event => {
      if (this.begun && !this.room.ended && !this.isSaved) event.preventDefault();
    });
  }

  get isSaved() {
    return this.state.connected && this.state.said.saved !== false;
  }

  /* From the first word of the room on the text is shared; what was typed until then is typed into it. */
  begin() {
    const typed = this.editor.text !== this.drafts.saved && this.editor.text;
    this.begun = true;
    this.form.setAttribute("data-together", "");
    this.editor.share(this.room.text.toString(), this.extensions());
    if (typed) this.editor.text = typed;
    this.drafts.settle();
    this.editor.textarea.addEventListener("input", () => this.drafts.settle());
    this.show({});
  }

  /* Carets are ours (remote_cursors.js): y-codemirror's have style attributes. */
  extensions() {
    return [yCollab(this.room.text, null), keymap.of(yUndoManagerKeymap), remoteCursors(this.room)];
  }

  show(change) {
    Object.assign(this.state, change);
    if (!this.begun || this.room.ended) return;
    const { connected, said, names } = this.state;
    const here = names.length ? fill(words.with, { names: names.join(", ") }) : words.alone;
    const saving = said.write === false ? words.reads : said.saved === false ? words.saving : words.saved;
    this.status.textContent = connected ? `${here} · ${saving}` : words.offline;
    this.warn(connected ? (said.words || []).map(ofRoom) : [words.cutOff]);
  }

  /* The page that follows shows what was typed: the room saves first. Where it cannot, the browser asks before leaving. */
  async done(event) {
    const link = event.currentTarget;
    const { connected, said } = this.state;
    if (this.mayLeave || !connected || this.room.ended || said.write === false) return;
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    if (link.hasAttribute("aria-busy")) return;
    link.setAttribute("aria-busy", "true");
    this.status.textContent = words.saving;
    const saved = await this.room.save();
    this.show({ said: { ...this.state.said, saved } });
    link.removeAttribute("aria-busy");
    this.mayLeave = true;
    link.click();
    this.mayLeave = false; // the person may stay
  }

  warn(sentences) {
    const text = sentences.join(" ");
    if (this.warning.textContent !== text) this.warning.textContent = text;
    this.warning.hidden = !text;
  }

  /* The room is over for this page: the text stays, to be saved as without rooms. */
  leave(sentence) {
    this.editor.leave([history(), keymap.of(historyKeymap)]);
    this.form.removeAttribute("data-together");
    this.warn([sentence || words.over, words.left]);
    this.form.dataset.unsaved = "1";
    this.drafts.remember();
  }
}

function namesOf(states) {
  const names = states.map(([, { user }]) => user && (user.display_name || user.name)).filter(Boolean);
  return [...new Set(names)];
}
