// Where the review server's site begins: other pages than its own may hold the viewer.

const SITE = new URL("../../", import.meta.url);

/** The address of a path of the site, such as "api/next"; a whole address stays as it is. */
export function siteUrl(path) {
  return new URL(path, SITE).href;
}
