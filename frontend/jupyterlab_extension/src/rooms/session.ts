import { PageConfig, URLExt } from "@jupyterlab/coreutils";

/** Of a file to edit together, as the room's process answers; it never takes longer than a person waits. */
const PATIENCE_MS = 10 * 1000;

/** What a page needs to enter a room. */
export interface ISession {
  format: string;
  type: string;
  /** Names the room. */
  fileId: string;
  /** Of the room's history; ends in ".r" where this page may only read, until it is reloaded. */
  sessionId: string;
}

/** The file is not edited together: open it as without rooms. */
export class NoRoomError extends Error {
  /** `isDown`: it would be, but nobody answers. */
  constructor(
    message: string,
    readonly isDown: boolean,
  ) {
    super(message);
  }
}

/** Ask for the session of a file; NoRoomError where there is none. */
export async function requestSession(path: string, format: string, type: string): Promise<ISession> {
  const address = URLExt.join(PageConfig.getBaseUrl(), "api/collaboration/session", encodeURIComponent(path));
  let answer: Response;
  try {
    const body = JSON.stringify({ format, type });
    answer = await fetch(address, { method: "PUT", body, signal: AbortSignal.timeout(PATIENCE_MS) });
  } catch {
    throw new NoRoomError("", true);
  }
  if (!answer.ok) {
    throw new NoRoomError(await sentence(answer), answer.status >= 500);
  }
  return answer.json();
}

/** What the room's process says of it; empty where another one answered. */
async function sentence(answer: Response): Promise<string> {
  try {
    return (await answer.json()).message ?? "";
  } catch {
    return "";
  }
}

/** Where the session's WebSocket is. */
export function roomAddress(session: ISession): string {
  const room = `${session.format}:${session.type}:${encodeURIComponent(session.fileId)}`;
  const query = new URLSearchParams({ sessionId: session.sessionId });
  return `${URLExt.join(PageConfig.getWsUrl(), "api/collaboration/room", room)}?${query}`;
}
