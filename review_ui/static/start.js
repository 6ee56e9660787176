// What the page runs: a module of its own, so that the page needs no inline script.

import { start } from "./review.js";

start(document.querySelector("#review"));
