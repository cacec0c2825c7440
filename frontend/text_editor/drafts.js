/* Nothing typed is lost: leaving with unsaved text asks, and a text whose page went away (a sign-in that ended, a
   reload) is in the tab when the page is opened again. */

export class Drafts {
  constructor(form, editor) {
    this.form = form;
    this.editor = editor;
    this.saved = form.elements.text.defaultValue;
    this.key = "draft:" + location.pathname;
    this.leaving = false;
    this.offerRemembered();
    form.elements.text.addEventListener("input", () => this.remember());
    form.addEventListener("submit", () => {
      this.remember();
      this.leaving = true;
    });
    form.querySelector("[data-leave]").addEventListener("click", () => {
      this.forget();
      this.leaving = true;
    });
    window.addEventListener("pageshow", () => (this.leaving = false));
    window.addEventListener("beforeunload", event => {
      if (!this.leaving && this.changed) event.preventDefault();
    });
  }

  get changed() {
    return this.form.dataset.unsaved === "1" || this.editor.text !== this.saved;
  }

  /* The text as it stands is saved. */
  settle() {
    this.saved = this.editor.text;
    this.forget();
  }

  remember() {
    try {
      if (this.changed)
        sessionStorage.setItem(this.key, JSON.stringify([this.form.elements.etag.value, this.editor.text]));
      else sessionStorage.removeItem(this.key);
    } catch {
      // No storage, or no room in it: the warning remains.
    }
  }

  forget() {
    try {
      sessionStorage.removeItem(this.key);
    } catch {
      // No storage.
    }
  }

  get remembered() {
    try {
      return JSON.parse(sessionStorage.getItem(this.key));
    } catch {
      return null;
    }
  }

  offerRemembered() {
    const draft = this.remembered;
    if (draft && draft[1] === this.saved) this.forget();
    this.offered = Boolean(draft && this.form.dataset.unsaved !== "1" && draft[1] !== this.saved);
    if (!this.offered) return;
    const { etag } = this.form.elements;
    const shown = etag.value;
    this.editor.text = draft[1];
    etag.value = draft[0]; // made from that version: should there be another by now, both are shown
    const notice = this.form.querySelector("[data-draft]");
    notice.hidden = false;
    notice.querySelector("button").addEventListener("click", () => {
      this.editor.text = this.saved;
      etag.value = shown;
      notice.hidden = true;
      this.remember();
      this.editor.focus();
    });
  }
}
