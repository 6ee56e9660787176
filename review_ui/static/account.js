// Who is signed in, and what of the page that person gets to see.

import { SIGNED_OUT, request } from "./lib/request.js";
import { siteUrl } from "./lib/site.js";

const ALONE = { name: "local", role: "lead", queues: ["work"], signed_in: false, segmenter: false }; // a server that knows no users
const RETRY_MS = 2000;
const SIGN_IN_MS = 3000; // between two checks for a new sign-in

/** Fetch the signed-in reviewer; retries while the server can't be reached, with `onProblem(error)`. */
export async function whoAmI(onProblem) {
  for (;;) {
    try {
      return await askWho();
    } catch (error) {
      onProblem(error);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

/** Fetch the signed-in reviewer, regardless of who opened the page. */
async function askWho() {
  try {
    return { ...ALONE, ...(await request("api/me", undefined, { headers: {} })) };
  } catch (error) {
    if (error.status === 404) return ALONE;
    throw error;
  }
}

/** Show name, sign-out, and what a lead has: publishing, the lead's page, the second-look queue; and the tool Point, if the server has it. */
export function showAccount(root, me) {
  const isLead = me.role === "lead";
  const find = (selector) => root.querySelector(selector);
  find("#who").textContent = me.name;
  find("#who").hidden = !me.signed_in;
  find("#sign-out").hidden = !me.signed_in;
  for (const selector of ["#gallery-link", "#lead", "#publish"]) find(selector).hidden = !isLead;
  for (const part of root.querySelectorAll("[data-segmenter]")) part.hidden = !me.segmenter;
  find("#queues").hidden = !(isLead && me.queues.includes("second_look"));
  for (const button of root.querySelectorAll("[data-action=publish]")) button.dataset.allowed = String(isLead);
}

/** Notices the end of a sign-in, and the next one. */
export class SignIn {
  constructor(me, status, outbox) {
    this.me = me;
    this.status = status;
    this.outbox = outbox;
    document.addEventListener(SIGNED_OUT, () => this.wait());
  }

  wait() {
    this.status.showSignedOut();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.isStillMe().catch(() => this.wait()), SIGN_IN_MS);
  }

  /** True when the same reviewer is signed in again; reloads the page for another one. Rejects while signed out. */
  async isStillMe() {
    const { name } = await askWho();
    clearTimeout(this.timer);
    if (name !== this.me.name) {
      location.reload();
      return false;
    }
    if (!this.outbox.problem) this.status.hush();
    return true;
  }

  async signOut() {
    await this.outbox.deliver(); // what can't be sent stays in this browser until the next sign-in
    try {
      await request("sign-out", {});
    } catch (error) {
      if (error.status !== 401) return this.status.warn(`Not signed out: ${error.message}`);
    }
    location.assign(siteUrl("./"));
  }
}
