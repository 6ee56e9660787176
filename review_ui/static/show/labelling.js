// The labelling that goes on beside the review, in words; {labelled, total, seconds_left} as the server sends it.

/** "120 of 900 photographs are labelled, about 3 min left". */
export function labelledInWords({ labelled, total, seconds_left }) {
  return [`${labelled} of ${total} ${total === 1 ? "photograph is" : "photographs are"} labelled`, timeLeft(seconds_left)].filter(Boolean).join(", ");
}

/** "labelling 120 of 900, about 3 min left". */
export function labellingInShort({ labelled, total, seconds_left }) {
  return [`labelling ${labelled} of ${total}`, timeLeft(seconds_left)].filter(Boolean).join(", ");
}

function timeLeft(seconds) {
  if (seconds === null) return "";
  const minutes = Math.round(seconds / 60);
  if (minutes < 1) return "under a minute left";
  return minutes < 100 ? `about ${minutes} min left` : `about ${Math.round(minutes / 60)} h left`;
}
