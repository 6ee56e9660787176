// The queue's filter in the page's address: it can be bookmarked, sent, reloaded. Other names of the address stay.

export const FILTER_NAMES = ["source", "teacher", "doubt", "group", "reason", "like", "order"]; // as in the API

/** The filter of an address's query, as URLSearchParams. */
export function filterOf(query) {
  const names = new URLSearchParams(query);
  return new URLSearchParams([...names].filter(([name, value]) => FILTER_NAMES.includes(name) && value));
}

/** Put the filter into the page's address, in the place of the one before. */
export function keepInAddress(filter) {
  const names = new URLSearchParams(location.search);
  for (const name of FILTER_NAMES) names.delete(name);
  const query = new URLSearchParams([...names, ...filter]).toString();
  history.replaceState(history.state, "", `${location.pathname}${query ? `?${query}` : ""}${location.hash}`);
}

/** Take one name out of the page's address. */
export function dropFromAddress(name) {
  const names = new URLSearchParams(location.search);
  names.delete(name);
  const query = names.toString();
  history.replaceState(history.state, "", `${location.pathname}${query ? `?${query}` : ""}${location.hash}`);
}
