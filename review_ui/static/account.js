// Who is signed in, and what of the page that person gets to see.

import { request } from "./request.js";

const ALONE = { name: "local", role: "lead", queues: ["work"], signed_in: false }; // a server that knows no users
const RETRY_MS = 2000;

/** Who the server says this is; asks again while the server can't be reached. `onProblem(error)` meanwhile. */
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

export async function askWho() {
  try {
    return { ...ALONE, ...(await request("/api/me")) };
  } catch (error) {
    if (error.status === 404) return ALONE;
    throw error;
  }
}

/** Show name, sign-out, and what a lead has: publishing, the lead's page, the second-look queue. */
export function showAccount(root, me) {
  const isLead = me.role === "lead";
  const find = (selector) => root.querySelector(selector);
  find("#who").textContent = me.name;
  find("#who").hidden = !me.signed_in;
  find("#sign-out").hidden = !me.signed_in;
  find("#lead").hidden = find("#publish").hidden = !isLead;
  find("#queues").hidden = !(isLead && me.queues.includes("second_look"));
  for (const button of root.querySelectorAll("[data-action=publish]")) button.dataset.allowed = String(isLead);
}
