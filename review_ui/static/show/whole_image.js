// The source image around the sample, with the sample's frame: a dialog.

import { request } from "../lib/request.js";

export class WholeImage {
  /** `onProblem(text)` when there is no image to show. */
  constructor(root, { onProblem }) {
    this.dialog = root.querySelector("#whole");
    this.image = this.dialog.querySelector("img");
    this.frame = this.dialog.querySelector(".frame");
    this.text = this.dialog.querySelector("p");
    this.onProblem = onProblem;
  }

  /** Open it on a sample, or close it. */
  async toggle(sample) {
    if (this.dialog.open) return this.dialog.close();
    const { sample_id, mask_sha256 } = sample;
    try {
      this.show(await request(`api/source?${new URLSearchParams({ sample_id, mask_sha256 })}`), sample);
    } catch (error) {
      this.onProblem(`No whole image: ${error.message}`);
    }
  }

  show({ image, width, height, roi }, { name = "" }) {
    const percent = (length, whole) => `${(100 * length) / whole}%`;
    this.image.src = `data:image/jpeg;base64,${image}`;
    this.image.style.aspectRatio = `${width} / ${height}`;
    Object.assign(this.frame.style, {
      left: percent(roi.x, width), top: percent(roi.y, height), width: percent(roi.w, width), height: percent(roi.h, height),
    });
    const isAll = roi.w === width && roi.h === height;
    const place = isAll ? "the sample is all of it" : `the sample is ${roi.w} × ${roi.h} of it`;
    this.text.textContent = `${name ? `${name} · ` : ""}${width} × ${height} · ${place}`;
    if (!this.dialog.open) this.dialog.showModal();
  }
}
