// One sample's pictures: fetched and prepared ahead of time, so that drawing them takes a fraction of a frame.

import { Edge } from "./edge.js";
import { outlineOf } from "./frame.js";
import { SIDES, isPair, joined, withSide } from "./pair.js";
import { noteSignedOut } from "../lib/request.js";

const MAX_SIDE_PX = 1600; // more than the stage shows; keeps 16 prepared samples within about 400 MB
const RETRY_MS = 1000;

const WORKERS = Math.min(3, Math.max(1, (navigator.hardwareConcurrency ?? 2) - 1)); // one core is left to the page
const AT_ONCE = WORKERS + 2; // pictures under way, so that workers needn't wait for files, nor the first for the last
const waiting = new Map(); // id of a job -> what to call with the worker's answer
const workers = [startWorker()]; // it takes a while to load: begin before there is work
const inLine = []; // those who wait until fewer are under way
let underWay = 0;
let lastId = 0;

/**
 * Fetch and prepare a sample, see picture_worker.js, and draw its `frame` for a look if there is one, and the sample has one
 * mask; rejects with an Error that says what is missing.
 */
export async function loadPicture(sample, look, options = {}) {
  if (!isPair(sample)) return loadOne(sample, look, options);
  return joined(await Promise.all(SIDES.map((side) => loadOne(withSide(sample, side), null, options))));
}

async function loadOne(sample, look, { maxSidePx = MAX_SIDE_PX }) {
  const scale = Math.min(1, maxSidePx / Math.max(sample.width, sample.height));
  const size = { width: Math.max(1, Math.round(sample.width * scale)), height: Math.max(1, Math.round(sample.height * scale)) };
  const picture = await inTurn(async () => {
    const [photo, mask] = await Promise.all([fetchFile(sample.image_url), sample.mask_file ?? fetchFile(sample.repaired_url ?? sample.mask_url)]);
    return work({ photo, mask, size, look });
  });
  return { ...picture, outline: outlineOf(picture.lines), edge: new Edge(picture.lines) };
}

/** What `job` gives, once fewer than AT_ONCE are under way: first come, first served. */
async function inTurn(job) {
  if (underWay >= AT_ONCE) await new Promise((resolve) => inLine.push(resolve));
  else underWay++;
  try {
    return await job();
  } finally {
    const next = inLine.shift();
    if (next) next(); // takes over the place
    else underWay--;
  }
}

/** Give the memory back; the thumb stays. */
export function releasePicture(picture, frame) {
  for (const { photo, shade, person } of picture.pair ?? [picture]) for (const image of [photo, shade, person]) image.close();
  for (const { image } of frame?.panes ?? []) image.close();
}

/** Resolves with what a worker makes of the job. */
function work(job) {
  const id = ++lastId;
  const worker = (workers[id % WORKERS] ??= startWorker());
  return new Promise((resolve, reject) => {
    waiting.set(id, ({ picture, error }) => (error === undefined ? resolve(picture) : reject(new Error(error))));
    worker.postMessage({ id, ...job });
  });
}

function startWorker() {
  const started = new Worker(new URL("./picture_worker.js", import.meta.url), { type: "module" });
  const answer = (id, result) => {
    waiting.get(id)?.(result);
    waiting.delete(id);
  };
  started.onmessage = ({ data }) => answer(data.id, data);
  started.onerror = (event) => {
    event.preventDefault();
    for (const id of [...waiting.keys()]) answer(id, { error: "this browser can't prepare pictures; a newer one can" });
  };
  return started;
}

async function fetchFile(url) {
  const answer = await fetchPatiently(url);
  if (!answer.ok) {
    throw new Error(answer.status === 404 ? `the file behind ${url} is missing on the server` : `server error ${answer.status}`);
  }
  return answer.blob();
}

/** Fetch with retries while the server can't be reached or the reviewer is signed out. */
async function fetchPatiently(url) {
  for (;;) {
    try {
      const answer = await fetch(url);
      if (answer.status !== 401) return answer;
      noteSignedOut(answer);
    } catch {
      // the server is away
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}
