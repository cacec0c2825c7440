/* The page's sentences, in its language (templates/drive/_editor_words.html). */
export const words = document.getElementById("editor-words")?.dataset ?? {};

/* A sentence with its places, such as {name}, filled. */
export const fill = (sentence, values) => sentence.replace(/\{(\w+)\}/g, (_, name) => values[name]);

/* Sentences of rooms (rooms/room/saving.py), by the page's name for them. */
const OF_ROOMS = {
  noSpace: "The disk is full: what you type is kept in this room, but not saved to the file.",
  merged: "The file was changed outside this page, and merged. What it held before is in its versions.",
  unreadable: "Something outside wrote what is no document. Those bytes are in the file's versions.",
};

/* What a room says, in the page's language if the page has the sentence. */
export function ofRoom({ text }) {
  const name = Object.keys(OF_ROOMS).find(name => OF_ROOMS[name] === text);
  return words[name] ?? text;
}
