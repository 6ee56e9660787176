// The viewer as a custom element, <mask-review>, which fills the box that its page gives it. The review page and any other
// page of the same server can hold it; one to a page, since it listens to the page's keys.

import { start } from "./review.js";
import { siteUrl } from "./lib/site.js";

class MaskReview extends HTMLElement {
  async connectedCallback() {
    if (this.isStarted) return;
    this.isStarted = true; // once: a host page may move it about
    if (!this.shadowRoot) await this.fetchMarkup(); // the review page brings it along, so as to show at once
    const root = this.shadowRoot.querySelector("#review");
    for (const link of root.querySelectorAll("a[href]")) link.href = siteUrl(link.getAttribute("href"));
    start(root);
  }

  async fetchMarkup() {
    this.attachShadow({ mode: "open" });
    const answer = await fetch(siteUrl("viewer/markup.html"));
    if (answer.ok) this.shadowRoot.innerHTML = await answer.text();
    else this.shadowRoot.textContent = `The viewer can't be loaded: the server answered ${answer.status}. Load the page again.`;
    if (!answer.ok) throw new Error(`viewer/markup.html: ${answer.status}`);
  }
}

customElements.define("mask-review", MaskReview);
