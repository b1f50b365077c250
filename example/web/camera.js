/** Which part of the endless board the window shows. World is the board's plane, screen the window's. */
export class Camera {
  x = 0; // the point of the world in the window's top left corner
  y = 0;
  scale = 1;
  #world; #surface; #changed;

  constructor(surface, world, changed) {
    this.#surface = surface;
    this.#world = world;
    this.#changed = changed;
    this.#apply();
  }

  toWorld(clientX, clientY) {
    const box = this.#surface.getBoundingClientRect();
    return { x: this.x + (clientX - box.left) / this.scale, y: this.y + (clientY - box.top) / this.scale };
  }

  center() {
    const box = this.#surface.getBoundingClientRect();
    return this.toWorld(box.left + box.width / 2, box.top + box.height / 2);
  }

  /** Moves by screen pixels. */
  pan(dx, dy) {
    this.x += dx / this.scale;
    this.y += dy / this.scale;
    this.#apply();
  }

  /** Zooms so that the point under the pointer stays where it is. */
  zoom(factor, clientX, clientY) {
    const before = this.toWorld(clientX, clientY);
    this.scale = Math.min(2, Math.max(0.25, this.scale * factor));
    const after = this.toWorld(clientX, clientY);
    this.x += before.x - after.x;
    this.y += before.y - after.y;
    this.#apply();
  }

  zoomBy(factor) {
    const box = this.#surface.getBoundingClientRect();
    this.zoom(factor, box.left + box.width / 2, box.top + box.height / 2);
  }

  /** Shows all boxes ({x, y, width, height} in the world), not larger than life, clear of the margins. */
  fit(boxes, margin) {
    const { width, height } = this.#surface.getBoundingClientRect();
    const [w, h] = [width - margin.left - margin.right, height - margin.top - margin.bottom];
    const left = Math.min(...boxes.map((b) => b.x));
    const top = Math.min(...boxes.map((b) => b.y));
    const right = Math.max(...boxes.map((b) => b.x + b.width));
    const bottom = Math.max(...boxes.map((b) => b.y + b.height));
    this.scale = Math.min(1, Math.max(0.25, Math.min(w / (right - left), h / (bottom - top))));
    this.x = (left + right) / 2 - (margin.left + w / 2) / this.scale;
    this.y = (top + bottom) / 2 - (margin.top + h / 2) / this.scale;
    this.#apply();
  }

  #apply() {
    const { x, y, scale } = this;
    this.#world.style.transform = `scale(${scale}) translate(${-x}px, ${-y}px)`;
    const step = 24 * scale;
    this.#surface.style.backgroundSize = `${step}px ${step}px`;
    this.#surface.style.backgroundPosition = `${-x * scale}px ${-y * scale}px`;
    this.#world.style.setProperty("--upright", String(1 / scale));
    this.#changed();
  }
}
