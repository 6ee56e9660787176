// The notice in the picture's place: {title, text, publish, flagged, clear}; `publish`, `flagged` and `clear` show the
// buttons to publish, to look at flagged masks and to clear the filter.

import { labelledInWords } from "./labelling.js";

/** `published` is the version just made, or null. Null while an answer is awaited. */
export function noticeFor({ feed, outbox, published, isLead }) {
  if (feed.misfit) return { title: "This filter fits nothing here", text: `${feed.misfit}.`, clear: true };
  const problem = feed.problem ?? outbox.problem;
  if (feed.remaining === 0 && outbox.size === 0 && feed.isComparing) return comparing(feed);
  if (feed.remaining === 0 && outbox.size === 0 && feed.filter.size > 0) return endOfFilter(feed);
  if (feed.remaining === 0 && outbox.size === 0) return endOf(feed, published, isLead);
  if (problem === null && feed.areElsewhere && outbox.size === 0) return elsewhere(feed);
  if (problem !== null) return { title: "Waiting for the server", text: `${problem}. Your decisions are kept in this browser.` };
  return null;
}

function elsewhere({ remaining }) {
  const masks = remaining === 1 ? "1 mask is" : `${remaining} masks are`;
  return { title: "Nothing for you right now", text: `${masks} on other screens, or waiting for another reviewer. This page checks again every few seconds.` };
}

function comparing({ embedding: { done, total } }) {
  return { title: "Comparing images", text: `${done} of ${total} are compared. This page checks again every few seconds.`, clear: true };
}

function endOfFilter({ filter, filtered }) {
  const total = filtered?.total ?? 0;
  const text = total === 0 ? "No mask passes this filter." : total === 1 ? "The one mask that passes this filter is decided." : `All ${total} masks that pass this filter are decided.`;
  return { title: filter.has("like") ? "All look-alikes are decided" : "Nothing left with this filter", text, clear: true };
}

function endOf({ queue, labelling, progress: { done, total, flagged = 0 } }, published, isLead) {
  if (queue === "second_look") return { title: "No second look wanted", text: "Masks on which verdicts differ come up here." };
  const rest = flagged ? ` ${flagged} ${flagged === 1 ? "is" : "are"} flagged and ${flagged === 1 ? "waits" : "wait"} for a second look.` : "";
  const offer = { flagged: flagged > 0 && isLead };
  const text = `${done} of ${total} masks ${done === 1 ? "has" : "have"} a verdict.${rest}`;
  if (labelling) return { title: "More masks are being made", text: `${labelledInWords(labelling)}. ${total > 0 ? `${text} ` : ""}New masks come up here by themselves.`, ...offer };
  if (total === 0) return { title: "Nothing to review", text: "This version has no masks that a person judges. New ones come up here by themselves." };
  const verdicts = done === 1 ? "1 verdict" : `${done} verdicts`;
  if (published) return { title: "All reviewed and published", text: `${published} holds ${verdicts}.${rest} Undo still works. New masks come up here by themselves.`, ...offer };
  if (!isLead) return { title: "All reviewed", text: `${text} Undo still works. New masks come up here by themselves.` };
  return { title: "All reviewed", text: `${text} Publish writes them as the next version; undo still works. New masks come up here by themselves.`, publish: true, ...offer };
}

/** The line above the picture: a past decision on stage, or the others' verdicts at a second look; "" without either. */
export function captionFor(picked, sample, inWords) {
  if (picked?.isVisit) {
    const before = verdictsOf(picked.item.sample);
    return `${before || "No verdict yet"}. A verdict of yours decides alone.`;
  }
  if (picked) return `You ${inWords(picked)}. A new verdict replaces that.`;
  return verdictsOf(sample);
}

function verdictsOf(sample) {
  const verdicts = sample?.verdicts ?? [];
  return verdicts.map(({ reviewer, verdict, reason, note }) => `${reviewer}: ${verdict}${reason ? ` (${reason})` : ""}${note ? ` “${note}”` : ""}`).join(" · ");
}
