// Several reasons of one decision, as the server keeps them: in one text.

const SEPARATOR = "; ";

export function reasonsOf(text) {
  return text ? text.split(SEPARATOR) : [];
}

/** The text with one more reason, or without it when it was there; null for none. */
export function toggled(text, reason) {
  const reasons = reasonsOf(text);
  const rest = reasons.filter((other) => other !== reason);
  return (rest.length < reasons.length ? rest : [...reasons, reason]).join(SEPARATOR) || null;
}
