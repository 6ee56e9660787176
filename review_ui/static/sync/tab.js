// Who this tab is for the server: samples are leased to a reviewer's tab, so that two tabs never show the same one.

import { newId } from "../lib/id.js";
import { request } from "../lib/request.js";

const KEY = "review:tab";

/**
 * The tab's UUID, the same after a reload. While the page is open it is not in sessionStorage, for a duplicated tab
 * starts with a copy of that and must not get the same one.
 */
export function tabId() {
  const id = read() ?? newId();
  const keep = () => write(id);
  window.addEventListener("pagehide", keep);
  window.addEventListener("pageshow", (event) => event.persisted && write(null));
  write(null);
  return id;
}

/** Give the tab's leases back; the browser sends it on its own when the page is gone. */
export function release(tab) {
  request("api/release", { tab }, { keepalive: true }).catch(() => {}); // leases end by themselves, too
}

function read() {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}

function write(id) {
  try {
    if (id === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, id);
  } catch {
    // no storage: after a reload it is another tab
  }
}
