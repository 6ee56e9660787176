// The network in a worker, so that the page stays responsive.

export class Segmenter {
  constructor() {
    this.worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    this.waiting = new Map(); // id -> {resolve, reject}
    this.asked = 0;
    this.worker.addEventListener("message", ({ data }) => this.answer(data));
    this.worker.addEventListener("error", (event) => this.fail(event));
  }

  /** {name, width, height, size_bytes} of the network, once it can be used. */
  load() {
    return this.ask({ kind: "load" });
  }

  /** A canvas -> {mask: Uint8ClampedArray of its size, 0..255 = person probability, milliseconds: {network, total}}. */
  segment(picture) {
    const { data, width, height } = picture.getContext("2d").getImageData(0, 0, picture.width, picture.height);
    return this.ask({ kind: "segment", pixels: data, width, height }, [data.buffer]);
  }

  ask(question, transfer = []) {
    const id = ++this.asked;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, ...question }, transfer);
    });
  }

  answer({ id, value, error }) {
    const { resolve, reject } = this.waiting.get(id);
    this.waiting.delete(id);
    if (error === undefined) resolve(value);
    else reject(new Error(error));
  }

  /** The worker itself could not be started: this browser has no module workers, or a file is missing. */
  fail(event) {
    for (const { reject } of this.waiting.values()) {
      reject(new Error(`Expected a browser with module workers and all files of this page, found: ${event.message ?? "no worker"}`));
    }
    this.waiting.clear();
  }
}
