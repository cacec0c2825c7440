/* What was shown in this tab: a reload does not show it again. */

const KEY = "collaboratory:told";
const MOST = 30;

function all(): string[] {
  return JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
}

export function hasBeenShown(text: string): boolean {
  return all().includes(text);
}

export function setShown(text: string): void {
  sessionStorage.setItem(KEY, JSON.stringify([...all(), text].slice(-MOST)));
}
