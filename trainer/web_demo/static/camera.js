// The camera's frames, one at a time: the next one is taken when the last one has been shown.

import { canvasOf } from "./picture.js";

const WIDTH_PX = 640;

export class Camera {
  /** `onFrame(canvas)` gets each frame, mirrored like a mirror image, and is awaited. */
  constructor(video, onFrame) {
    this.video = video;
    this.onFrame = onFrame;
    this.running = false;
  }

  /** Resolves with the first frame; an Error, with the reason, without one. */
  async start() {
    if (!navigator.mediaDevices) {
      throw new Error("Expected a page that may ask for a camera, found one over plain http: serve it over https, or open it as localhost.");
    }
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: WIDTH_PX }, facingMode: "user" }, audio: false });
    } catch (error) {
      throw new Error(`Expected a camera, found none that may be used (${error.name}). Allow it in the browser, or choose an image.`);
    }
    this.video.srcObject = this.stream;
    await this.video.play();
    this.running = true;
    this.loop();
  }

  stop() {
    this.running = false;
    for (const track of this.stream.getTracks()) track.stop();
    this.video.srcObject = null;
  }

  async loop() {
    while (this.running) {
      await this.onFrame(this.frame());
      await new Promise(requestAnimationFrame);
    }
  }

  frame() {
    const { videoWidth, videoHeight } = this.video;
    const picture = canvasOf(videoWidth, videoHeight);
    const context = picture.getContext("2d", { willReadFrequently: true });
    context.setTransform(-1, 0, 0, 1, videoWidth, 0);
    context.drawImage(this.video, 0, 0);
    return picture;
  }
}
