/** Mouse, pen and finger: selecting, moving, connecting, panning and zooming. */

const THRESHOLD = 3; // pixels before a press becomes a drag

export class Pointer {
  #surface; #desk; #camera; #view; #rename; #gesture = null;

  /** rename(id) opens the text of a node. */
  constructor(surface, { desk, camera, view, rename, moved }) {
    this.#surface = surface;
    this.#desk = desk;
    this.#camera = camera;
    this.#view = view;
    this.#rename = rename;
    surface.addEventListener("pointerdown", (e) => this.#down(e));
    surface.addEventListener("pointermove", (e) => {
      moved(camera.toWorld(e.clientX, e.clientY));
      this.#move(e);
    });
    surface.addEventListener("pointerleave", () => { if (!this.#gesture) moved(null); });
    surface.addEventListener("pointerup", (e) => this.#end(e, true));
    surface.addEventListener("pointercancel", (e) => this.#end(e, false));
    surface.addEventListener("dblclick", (e) => this.#doubleClick(e));
    surface.addEventListener("wheel", (e) => this.#wheel(e), { passive: false });
  }

  /** Gives up what is under way. */
  cancel() {
    this.#gesture?.finish(null);
    this.#gesture = null;
  }

  #down(e) {
    if (e.target.closest("textarea") || (e.button !== 0 && e.button !== 1)) return;
    e.preventDefault(); // no text selection, no focus by itself: both are ours to decide
    document.activeElement?.blur();
    const id = idAt(e.target);
    const begin = this.#kind(e, id);
    this.#gesture = { ...begin, id, x: e.clientX, y: e.clientY, dragging: false };
  }

  #kind(e, id) {
    if (e.button === 1 || !id) return this.#panning();
    if (this.#desk.source !== undefined && this.#desk.view.nodes.has(id)) return this.#choosing(id);
    if (e.target.closest(".handle")) return this.#linking(id);
    return this.#moving(e, id);
  }

  #move(e) {
    const gesture = this.#gesture;
    if (!gesture) return;
    if (!gesture.dragging) {
      if (Math.hypot(e.clientX - gesture.x, e.clientY - gesture.y) < THRESHOLD) return;
      gesture.dragging = true;
      this.#surface.setPointerCapture(e.pointerId);
    }
    gesture.drag?.(e, gesture);
  }

  #end(e, completed) {
    const gesture = this.#gesture;
    this.#gesture = null;
    if (!gesture) return;
    if (gesture.dragging || !completed) gesture.finish(completed ? e : null);
    else gesture.click?.();
  }

  #panning() {
    let last = null;
    return {
      click: () => {
        if (this.#desk.source !== undefined) this.#desk.stopConnecting();
        this.#desk.select([]);
      },
      drag: (e, start) => {
        const from = last ?? start;
        this.#camera.pan(from.x - e.clientX, from.y - e.clientY);
        last = { x: e.clientX, y: e.clientY };
      },
      finish: () => {},
    };
  }

  #choosing(id) {
    return { click: () => this.#desk.choose(id), finish: () => {} };
  }

  #moving(e, id) {
    const alone = !this.#desk.selection.has(id);
    if (e.shiftKey) this.#desk.toggle(id);
    else if (alone) this.#desk.select([id]);
    this.#view.focus(id);
    const starts = this.#desk.lift();
    return {
      click: () => { if (!e.shiftKey) this.#desk.select([id]); },
      drag: (to, start) => {
        const { scale } = this.#camera;
        this.#desk.move(starts, (to.clientX - start.x) / scale, (to.clientY - start.y) / scale);
      },
      finish: (end) => (end ? this.#desk.drop() : this.#desk.giveUp()),
    };
  }

  #linking(id) {
    return {
      drag: (e) => this.#view.draft(id, this.#camera.toWorld(e.clientX, e.clientY)),
      finish: (e) => {
        this.#view.draft(null);
        const target = e && idAt(document.elementFromPoint(e.clientX, e.clientY));
        if (target) this.#desk.connect(id, target);
      },
    };
  }

  #doubleClick(e) {
    const target = document.elementFromPoint(e.clientX, e.clientY);
    if (target.closest("textarea")) return;
    const id = idAt(target);
    if (this.#desk.view.edges.has(id)) return;
    this.#rename(id ?? this.#desk.add(this.#camera.toWorld(e.clientX, e.clientY)));
  }

  #wheel(e) {
    e.preventDefault();
    if (e.ctrlKey || e.metaKey) this.#camera.zoom(Math.exp(-e.deltaY / 300), e.clientX, e.clientY);
    else this.#camera.pan(e.deltaX, e.deltaY);
  }
}

/** The id of the node or edge that an element belongs to. */
function idAt(element) { return element?.closest("[data-id]")?.dataset.id; }
