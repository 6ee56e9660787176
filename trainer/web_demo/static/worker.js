// Loads the network, and returns the mask of an image's RGBA pixels.

import * as ort from "./onnxruntime/ort.wasm.bundle.min.js";
import { enlargeProb, shrinkToNetwork } from "./resize.js";

ort.env.wasm.numThreads = 1; // more need headers (COOP, COEP) that not every static server sends
ort.env.wasm.wasmPaths = { wasm: new URL("onnxruntime/ort-wasm-simd-threaded.wasm", import.meta.url).href };

let session, network;

const answers = { load, segment };

self.addEventListener("message", async ({ data: { id, kind, ...question } }) => {
  try {
    const [value, transfer] = await answers[kind](question);
    self.postMessage({ id, value }, transfer);
  } catch (error) {
    self.postMessage({ id, error: error.message ?? String(error) });
  }
});

async function load() {
  network = await (await fetched("model.json")).json();
  const bytes = new Uint8Array(await (await fetched(network.file)).arrayBuffer());
  session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"], graphOptimizationLevel: "all" });
  await probOf(new Uint8Array(3 * network.width * network.height)); // the first run is the slowest
  return [network, []];
}

async function segment({ pixels, width, height }) {
  const start = performance.now();
  const input = shrinkToNetwork(pixels, width, height, network.width, network.height);
  const before = performance.now();
  const prob = await probOf(input);
  const after = performance.now();
  const mask = enlargeProb(prob, network.width, network.height, width, height);
  const milliseconds = { network: after - before, total: performance.now() - start };
  return [{ mask, milliseconds }, [mask.buffer]];
}

/** RGB uint8, planes one after another -> person probability of each pixel. */
async function probOf(rgb) {
  const image = new ort.Tensor("uint8", rgb, [1, 3, network.height, network.width]);
  const { person_prob: prob } = await session.run({ image });
  return prob.data;
}

async function fetched(name) {
  const answer = await fetch(new URL(name, import.meta.url), { cache: "no-cache" }); // asks whether it changed
  if (!answer.ok) throw new Error(`Expected ${name} beside this page, found: ${answer.status} ${answer.statusText}. Build the page again.`);
  return answer;
}
