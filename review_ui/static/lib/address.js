// The queue's filter in the page's address: it can be bookmarked, sent, reloaded. Other names of the address stay.

const FILTER_NAMES = ["source", "teacher", "doubt", "group", "reason", "like", "order"]; // as in the API

/** The filter of an address's query, as URLSearchParams. */
export function filterOf(query) {
  return new URLSearchParams([...new URLSearchParams(query)].filter(([name]) => FILTER_NAMES.includes(name)));
}

/** Put the filter into the page's address, in the place of the one before. */
export function keepInAddress(filter) {
  replace(FILTER_NAMES, filter);
}

/** Take one name out of the page's address. */
export function dropFromAddress(name) {
  replace([name]);
}

function replace(names, added = []) {
  const others = [...new URLSearchParams(location.search)].filter(([name]) => !names.includes(name));
  const query = new URLSearchParams([...others, ...added]).toString();
  history.replaceState(history.state, "", `${location.pathname}${query ? `?${query}` : ""}${location.hash}`);
}
