/* The Drive's text editor: a form with a textarea, and with scripts CodeMirror over it, together with others where a room answers. */
import { CodeEditor } from "./code_editor.js";
import { Drafts } from "./drafts.js";
import { Pictures } from "./pictures.js";
import { joinRoom } from "./room_page.js";

const form = document.getElementById("editor");
if (form) {
  const editor = new CodeEditor(form.elements.text);
  const drafts = new Drafts(form, editor);
  saveWithKey(form);
  if (form.querySelector("[data-picture-button]")) editor.add(new Pictures(form, editor).extension);
  if (form.dataset.session) joinRoom(form, editor, drafts);
}

/* Ctrl+S, or ⌘S. */
function saveWithKey(form) {
  document.addEventListener("keydown", event => {
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "s") return;
    event.preventDefault();
    if (!form.hasAttribute("data-together")) form.requestSubmit(form.querySelector("[data-stay]"));
  });
}
