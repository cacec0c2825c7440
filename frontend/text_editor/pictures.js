/* Pictures in Markdown: pasted, dropped or chosen, they are uploaded beside the text, and a link to each is written where
   the caret is. While one is on its way a line in the text holds its place, for everybody who edits it. */
import { EditorView } from "@codemirror/view";

const MOST_NAMES = 50; // tries to find a free one
const WORDS = { 0: "signedOut", 403: "forbidden", 404: "noFolder", 413: "tooLarge" }; // by status

export class Pictures {
  constructor(form, editor) {
    const button = form.querySelector("[data-picture-button]");
    Object.assign(this, { form, editor, left: 0, words: button.dataset });
    this.status = form.querySelector("[data-picture-status]");
    button.hidden = false;
    const input = button.querySelector("input");
    input.addEventListener("change", () => {
      this.add([...input.files]);
      input.value = "";
    });
    window.addEventListener("beforeunload", event => {
      if (this.left) event.preventDefault();
    });
  }

  /* The editor's part: what is pasted or dropped. Anything but pictures is left to the editor. */
  get extension() {
    const taken = (files, position) => {
      const pictures = [...(files || [])].filter(isPicture);
      if (!pictures.length) return false;
      this.add(pictures, position);
      return true;
    };
    return EditorView.domEventHandlers({
      // Word processors put a picture of the text beside the text.
      paste: event => !event.clipboardData.types.includes("text/plain") && taken(event.clipboardData.files),
      drop: (event, view) =>
        taken(event.dataTransfer.files, view.posAtCoords({ x: event.clientX, y: event.clientY }, false)),
    });
  }

  async add(pictures, position = this.editor.view.state.selection.main.head) {
    const waiting = pictures.filter(isPicture).map(picture => [picture, this.holdPlace(nameOf(picture), position)]);
    this.left += waiting.length;
    const refused = [];
    for (const [picture, place] of waiting) {
      this.status.textContent = this.words.uploading.replace("{name}", () => nameOf(picture));
      const { name, error } = await this.upload(picture);
      if (error) refused.push(`“${nameOf(picture)}”: ${error}`);
      this.replace(place, name ? linkTo(name) : "");
      this.left -= 1;
    }
    this.status.textContent = refused.join(" ");
  }

  /* The text that holds a picture's place. */
  holdPlace(name, position) {
    const { view } = this.editor;
    const place = `![Uploading ${plain(name)}, ${crypto.randomUUID().slice(0, 8)}…]()`;
    view.dispatch({ changes: { from: position, insert: place }, selection: { anchor: position + place.length } });
    view.focus();
    return place;
  }

  /* Somebody may have removed it meanwhile: then the picture is in the folder alone. */
  replace(place, text) {
    const from = this.editor.text.indexOf(place);
    if (from >= 0) this.editor.view.dispatch({ changes: { from, to: from + place.length, insert: text } });
  }

  /* Upload beside the text, under a name that was free: { name }, or { error }, a sentence. */
  async upload(picture) {
    for (let number = 1; number <= MOST_NAMES; number += 1) {
      const name = numbered(nameOf(picture), number);
      const answer = await this.put(name, picture);
      if (answer?.status === 204) return { name };
      if (answer?.status === 409 || answer?.status === 412) continue;
      return { error: await this.sentence(answer) };
    }
    return { error: this.words.names };
  }

  /* Why it was refused. */
  async sentence(answer) {
    if (!answer) return this.words.broken;
    if (answer.headers.get("Content-Type")?.startsWith("text/plain")) return answer.text();
    return this.words[WORDS[answer.status] || "failed"];
  }

  put(name, picture) {
    const folder = this.form.getAttribute("action").replace(/[^/]*$/, "");
    const headers = {
      "Content-Type": "application/octet-stream",
      "If-None-Match": "*",
      "X-CSRFToken": this.form.elements.csrfmiddlewaretoken.value,
    };
    const request = { method: "PUT", headers, body: picture, redirect: "manual" }; // a redirect leads to the sign-in page
    return fetch(folder + encodeURIComponent(name), request).catch(() => null);
  }
}

const isPicture = file => file.type.startsWith("image/");

/* A pasted picture is called "image.png" by every browser: the hour says more. */
function nameOf(picture) {
  const [, kind] = /^image\.(\w+)$/.exec(picture.name) || [];
  if (!kind) return picture.name;
  const time = new Date(picture.lastModified || Date.now());
  const local = new Date(time - time.getTimezoneOffset() * 60_000).toISOString();
  return `picture-${local.slice(0, 19).replace("T", "-").replaceAll(":", "")}.${kind}`;
}

/* "a.png", then "a-2.png". */
const numbered = (name, number) => (number === 1 ? name : name.replace(/(\.[^.]*)?$/, ending => `-${number}${ending}`));

/* A name as the text of a Markdown link. */
const plain = name => name.replace(/[\\[\]`*_<>!\n]/g, " ").trim();

/* Parentheses would end the address. */
const addressOf = name => encodeURIComponent(name).replace(/[()]/g, c => (c === "(" ? "%28" : "%29"));

const linkTo = name => `![${plain(name.replace(/\.[^.]*$/, ""))}](${addressOf(name)})`;
