// The page: an image or the camera -> the network in a worker -> the canvas. Nothing is sent anywhere.

import { Camera } from "./camera.js";
import { pictureFrom } from "./picture.js";
import { Segmenter } from "./segmenter.js";
import { drawView } from "./views.js";

const PERSON_LEVEL = 128; // of 255: person from here on, as in the masks of the training data

const element = (id) => document.getElementById(id);
const [stage, canvas, result, problem] = ["stage", "picture", "result", "problem"].map(element);
const controls = ["file", "camera", "example"].map(element);

const segmenter = new Segmenter();
const camera = new Camera(element("video"), showFrame);
let shown = null; // {picture: a canvas, mask: Uint8ClampedArray of its size, 0..255 = person probability}
let asked = 0; // counts the requests: the latest one is shown

start();

async function start() {
  try {
    const network = await segmenter.load();
    element("network").textContent = `${network.name}, ${kilobytes(network.size_bytes)}, input ${network.width} × ${network.height} px`;
    for (const control of controls) control.disabled = false;
    setState("ready");
  } catch (error) {
    element("network").textContent = "The network could not be loaded.";
    complain(error);
  }
}

element("file").addEventListener("change", ({ target }) => {
  if (target.files.length) bring(target.files[0]);
  target.value = ""; // the same file may be chosen again
});
element("example").addEventListener("click", async () => bring(await (await fetch("example.jpg")).blob()));
element("camera").addEventListener("click", () => (camera.running ? stopCamera() : startCamera()));
element("views").addEventListener("change", redraw);
element("opacity").addEventListener("input", redraw);
element("save").addEventListener("click", save);
for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) document.addEventListener(kind, onDrag);

function onDrag(event) {
  event.preventDefault(); // else the browser leaves the page and opens the image
  stage.classList.toggle("over", event.type === "dragenter" || event.type === "dragover");
  const file = event.type === "drop" && event.dataTransfer.files[0];
  if (file && !element("file").disabled) bring(file);
}

async function bring(blob) {
  stopCamera();
  setState("working");
  const turn = ++asked;
  try {
    const picture = await pictureFrom(blob);
    const found = await segmenter.segment(picture);
    if (turn === asked) show(picture, found);
  } catch (error) {
    if (turn === asked) complain(error);
  }
}

async function startCamera() {
  setState("working");
  asked++;
  element("camera").disabled = true; // until the user has answered the browser
  try {
    await camera.start();
    element("camera").setAttribute("aria-pressed", "true");
    element("camera").textContent = "Stop the camera";
  } catch (error) {
    complain(error);
  }
  element("camera").disabled = false;
}

function stopCamera() {
  if (!camera.running) return;
  camera.stop();
  asked++;
  element("camera").setAttribute("aria-pressed", "false");
  element("camera").textContent = "Use the camera";
}

async function showFrame(picture) {
  const turn = asked;
  try {
    const found = await segmenter.segment(picture);
    if (turn === asked) show(picture, found);
  } catch (error) {
    stopCamera();
    complain(error);
  }
}

function show(picture, { mask, milliseconds }) {
  shown = { picture, mask };
  const person = mask.reduce((count, level) => count + (level >= PERSON_LEVEL), 0) / mask.length;
  const share = `${(100 * person).toFixed(1)} % person`;
  const size = `${picture.width} × ${picture.height} px`;
  const pace = `${milliseconds.total.toFixed(0)} ms, ${milliseconds.network.toFixed(0)} of them the network`;
  result.textContent = `${share} · ${size} · ${pace}`;
  result.setAttribute("aria-live", camera.running ? "off" : "polite"); // no announcement per frame
  canvas.setAttribute("aria-label", `The image, ${share}`);
  problem.hidden = true;
  canvas.hidden = false;
  element("save").disabled = false;
  redraw();
  setState("done");
}

function redraw() {
  const view = document.querySelector("input[name=view]:checked").value;
  stage.dataset.view = view;
  element("opacity-label").hidden = view !== "overlay";
  if (shown) drawView(canvas, shown.picture, shown.mask, view, element("opacity").value / 100);
}

function save() {
  canvas.toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${stage.dataset.view}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // after the browser has saved it
  }, "image/png");
}

function complain(error) {
  problem.textContent = error.message;
  problem.hidden = false;
  setState(shown ? "done" : "ready");
}

function setState(state) {
  stage.dataset.state = state;
}

function kilobytes(bytes) {
  return `${Math.round(bytes / 1000).toLocaleString("en")} kB`;
}
