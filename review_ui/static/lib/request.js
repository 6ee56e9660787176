// One call of the server's API.

import { siteUrl } from "./site.js";

export const SIGNED_OUT = "review:signed-out"; // an event on document: the server no longer knows who this is

let opener = null; // who the page was opened by

/** Send `name` as the reviewer with every call; the server answers 401 once another one is signed in. */
export function callAs(name) {
  opener = name;
}

/**
 * Fetch JSON; rejects with an Error whose `status` is the HTTP status, 0 when the server can't be reached, and whose
 * `found` is the JSON that came with it.
 */
export async function request(path, body, options = {}) {
  const headers = opener === null ? {} : { "X-Reviewer": opener };
  const init = body === undefined ? { headers } : { method: "POST", body: JSON.stringify(body), headers: { ...headers, "Content-Type": "application/json" } };
  let answer;
  try {
    answer = await fetch(siteUrl(path), { ...init, ...options });
  } catch {
    throw Object.assign(new Error("the server can't be reached"), { status: 0 });
  }
  noteSignedOut(answer);
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error(found.error ?? `server error ${answer.status}`), { status: answer.status, found });
  return found;
}

export function noteSignedOut({ status }) {
  if (status === 401) document.dispatchEvent(new Event(SIGNED_OUT));
}
