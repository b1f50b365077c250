import { NODE_WIDTH } from "./model.js";

const SVG = "http://www.w3.org/2000/svg";

/** Draws nodes and edges. It keeps one element for each, so that focus and transitions survive. */
export class View {
  #nodes = new Map(); // id -> element
  #edges = new Map();
  #drawn = new WeakMap(); // element -> what it shows, to leave alone what stays as it is
  #boxes = new Map(); // id -> where the element stands in the world
  #editor = null; // {id, area, end}

  /** places overrides where nodes stand, marks says who else holds which. */
  draw({ nodes, edges, places, selection, marks, target }) {
    reconcile(this.#nodes, nodes, byId("nodes"), createNode);
    let redrawn = nodes.size !== this.#boxes.size;
    for (const [id, node] of nodes) {
      const held = (marks.get(id) ?? []).map(({ name, color, edit }) => ({ name, color, writes: edit === id }));
      const shown = { ...node, ...places.get(id), selected: selection.has(id), held, target: target === id };
      redrawn = this.#drawNode(this.#nodes.get(id), shown) || redrawn;
    }
    if (redrawn) this.#measure(nodes, places);
    reconcile(this.#edges, edges, byId("lines"), createEdge);
    for (const [id, edge] of edges) this.#drawEdge(this.#edges.get(id), edge, nodes, selection.has(id));
    if (this.#editor && !nodes.has(this.#editor.id)) this.stopEditing();
    byId("hint").hidden = nodes.size > 0;
  }

  /** The box of a node in the world. */
  box(id) { return this.#boxes.get(id); }

  boxes() { return [...this.#boxes.values()]; }

  focus(id) { (this.#nodes.get(id) ?? this.#edges.get(id))?.focus({ preventScroll: true }); }

  get editing() { return this.#editor?.id; }

  /** Closes the text field; what was written is given up. */
  stopEditing() { this.#editor?.end(); }

  /** Puts a text field over the node's text; done gets the new text, or nothing if it is given up. */
  edit(id, text, done) {
    const element = this.#nodes.get(id);
    const area = document.createElement("textarea");
    area.className = "text";
    area.value = text;
    area.maxLength = 500;
    area.setAttribute("aria-label", "Text of the card");
    const end = (value) => {
      if (this.#editor?.area !== area) return;
      this.#editor = null;
      element.classList.remove("editing");
      area.remove();
      done(value);
    };
    area.addEventListener("blur", () => end(area.value));
    area.addEventListener("keydown", (e) => {
      e.stopPropagation();
      if (e.key === "Escape") end();
      if (e.key === "Enter" && !e.shiftKey) {
        e.preventDefault();
        end(area.value);
      }
    });
    this.#editor = { id, area, end };
    element.classList.add("editing");
    element.append(area);
    area.focus({ preventScroll: true });
    area.select();
  }

  /** The line that follows the pointer while two nodes are being connected. */
  draft(from, point) {
    const path = byId("draft");
    path.toggleAttribute("hidden", !from);
    if (!from) return;
    path.setAttribute("d", route(this.#boxes.get(from), { ...point, width: 0, height: 0 }));
  }

  /** Returns whether there was something to change. */
  #drawNode(element, shown) {
    const key = JSON.stringify(shown);
    if (this.#drawn.get(element) === key) return false;
    this.#drawn.set(element, key);
    const { x, y, text, color, unconfirmed, selected, held, target } = shown;
    const [label, , holder] = element.children;
    label.textContent = text || "Untitled";
    holder.textContent = held.map(({ name, writes }) => (writes ? `${name} is writing` : name)).join(", ");
    element.style.transform = `translate(${x}px, ${y}px)`;
    element.style.setProperty("--holder", held[0]?.color ?? "transparent");
    element.dataset.color = color;
    const classes = {
      empty: text === "", selected, unconfirmed: unconfirmed !== "", theirs: unconfirmed === "theirs", target,
      held: held.length > 0,
    };
    for (const [name, on] of Object.entries(classes)) element.classList.toggle(name, on);
    const parts = [`Card ${text || "without text"}`, ...(selected ? ["selected"] : []), holder.textContent];
    element.setAttribute("aria-label", parts.filter(Boolean).join(", "));
    return true;
  }

  /** Reads all heights after all writes: the browser then lays out once. */
  #measure(nodes, places) {
    this.#boxes.clear();
    for (const [id, node] of nodes) {
      const { x, y } = places.get(id) ?? node;
      this.#boxes.set(id, { x, y, width: NODE_WIDTH, height: this.#nodes.get(id).offsetHeight });
    }
  }

  #drawEdge(element, { from, to, unconfirmed }, nodes, selected) {
    const d = route(this.#boxes.get(from), this.#boxes.get(to));
    for (const path of element.children) path.setAttribute("d", d);
    element.classList.toggle("selected", selected);
    element.classList.toggle("unconfirmed", unconfirmed !== "");
    element.classList.toggle("theirs", unconfirmed === "theirs");
    element.lastChild.setAttribute("marker-end", selected ? "url(#arrow-selected)" : "url(#arrow)");
    element.setAttribute("aria-label", `Connection from ${nodes.get(from).text} to ${nodes.get(to).text}`);
  }
}

/** Makes and removes elements so that there is one for every item. */
function reconcile(elements, items, parent, create) {
  for (const [id, element] of elements) {
    if (items.has(id)) continue;
    element.remove();
    elements.delete(id);
  }
  for (const id of items.keys()) {
    if (elements.has(id)) continue;
    const element = create(id);
    elements.set(id, element);
    parent.append(element);
  }
}

function createNode(id) {
  const element = document.createElement("div");
  element.className = "node";
  element.dataset.id = id;
  element.tabIndex = 0;
  element.setAttribute("role", "group");
  for (const name of ["text", "handle", "holder"]) {
    const part = document.createElement("div");
    part.className = name;
    element.append(part);
  }
  element.children[1].title = "Drag to another card to connect";
  return element;
}

function createEdge(id) {
  const element = document.createElementNS(SVG, "g");
  element.setAttribute("class", "edge");
  element.dataset.id = id;
  element.setAttribute("tabindex", "0");
  element.setAttribute("role", "img");
  for (const name of ["hit", "line"]) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("class", name);
    element.append(path);
  }
  return element;
}

/** A curve from box to box, between the two sides that face each other. */
function route(a, b) {
  const gapX = Math.max(b.x - (a.x + a.width), a.x - (b.x + b.width));
  const gapY = Math.max(b.y - (a.y + a.height), a.y - (b.y + b.height));
  const across = gapX >= gapY;
  const [from, to] = [side(a, b, across, 1), side(b, a, across, 5)]; // clear of the arrow's tip
  const bend = Math.max(24, (across ? Math.abs(to.x - from.x) : Math.abs(to.y - from.y)) / 2);
  const control = (p) => `${p.x + p.dx * bend} ${p.y + p.dy * bend}`;
  return `M${from.x} ${from.y} C${control(from)} ${control(to)} ${to.x} ${to.y}`;
}

/** A point before the middle of a's side towards b, and the way out of it. */
function side(a, b, across, gap) {
  const [cx, cy] = [a.x + a.width / 2, a.y + a.height / 2];
  if (across) {
    const dx = b.x + b.width / 2 >= cx ? 1 : -1;
    return { x: cx + dx * (a.width / 2 + gap), y: cy, dx, dy: 0 };
  }
  const dy = b.y + b.height / 2 >= cy ? 1 : -1;
  return { x: cx, y: cy + dy * (a.height / 2 + gap), dx: 0, dy };
}

function byId(id) { return document.getElementById(id); }
