import { COLORS, NODE_WIDTH, coordinate, newId, removal } from "./model.js";

const HALF_HEIGHT = 28;

/** What one person does with the board: the selection, and every change that is written. */
export class Desk {
  view = { nodes: new Map(), edges: new Map() };
  selection = new Set();
  /** Nodes that we move: where they are now. Written once, when they are dropped. */
  moving = new Map();
  /** Connecting by clicks or keys: the node to start from, "" while it has to be chosen. */
  source = undefined;
  #room; #changed; #settle;

  constructor(room, changed) {
    this.#room = room;
    this.#changed = changed;
  }

  get writable() {
    const { status, access } = this.#room;
    return status !== "left" && status !== "closed" && access !== "viewer";
  }

  /** Takes a new view; what has vanished is not selected any more. */
  show(view) {
    this.view = view;
    const gone = [...this.selection].filter((id) => !view.nodes.has(id) && !view.edges.has(id));
    if (gone.length > 0) this.select([...this.selection].filter((id) => !gone.includes(id)));
    for (const id of this.moving.keys()) if (!view.nodes.has(id)) this.moving.delete(id);
    if (this.source && !view.nodes.has(this.source)) this.source = undefined;
  }

  select(ids) {
    this.selection = new Set(ids);
    this.#room.setPresence({ selection: ids.length > 0 ? ids.slice(0, 20) : null });
    this.#changed();
  }

  toggle(id) {
    const ids = new Set(this.selection);
    if (!ids.delete(id)) ids.add(id);
    this.select([...ids]);
  }

  /** The selected nodes, in the order in which they were selected. */
  get nodes() { return [...this.selection].filter((id) => this.view.nodes.has(id)); }

  /** Adds a node with its middle at the point and returns its id; undefined when nothing can be written. */
  add({ x, y }) {
    const id = newId();
    const color = COLORS[1 + (this.view.nodes.size % (COLORS.length - 1))];
    const node = { x: coordinate(x - NODE_WIDTH / 2), y: coordinate(y - HALF_HEIGHT), text: "", color };
    if (!this.#write({ nodes: { [id]: node } })) return undefined;
    this.select([id]);
    return id;
  }

  rename(id, text) {
    const node = this.view.nodes.get(id);
    if (node && node.text !== text) this.#write({ nodes: { [id]: { text } } });
  }

  paint(color) {
    const patch = Object.fromEntries(this.nodes.map((id) => [id, { color }]));
    if (this.nodes.length > 0) this.#write({ nodes: patch });
  }

  /** Connects two nodes, unless they are connected already. */
  connect(from, to) {
    const { nodes, edges } = this.view;
    const known = [...edges.values()].some((e) => (e.from === from && e.to === to) || (e.from === to && e.to === from));
    if (from === to || known || !nodes.has(from) || !nodes.has(to)) return;
    this.#write({ edges: { [newId()]: { from, to } } });
  }

  remove() {
    if (this.selection.size === 0 || !this.#write(removal(this.view, this.selection))) return;
    this.select([]);
  }

  /** Starts or stops connecting. With two nodes selected it is done at once. */
  startConnecting() {
    const [from, to] = this.nodes;
    if (this.nodes.length === 2) this.connect(from, to);
    else this.source = this.nodes.length === 1 ? from : "";
    this.#changed();
  }

  stopConnecting() {
    this.source = undefined;
    this.#changed();
  }

  /** Takes a node that was chosen while connecting. */
  choose(id) {
    if (this.source) {
      this.connect(this.source, id);
      this.stopConnecting();
    } else {
      this.source = id;
    }
    this.select([id]);
  }

  /** Moves the selected nodes by an offset from where each started, for others to see. */
  move(starts, dx, dy) {
    if (!this.writable) return;
    clearTimeout(this.#settle);
    for (const [id, { x, y }] of starts) this.moving.set(id, { x: coordinate(x + dx), y: coordinate(y + dy) });
    this.#room.setPresence({ drag: [...this.moving].slice(0, 50).map(([id, at]) => ({ id, ...at })) });
    this.#changed();
  }

  /** Moves step by step with keys, and drops when no key follows. */
  nudge(dx, dy) {
    this.move(this.#standing(), dx, dy);
    this.#settle = setTimeout(() => this.drop(), 500);
  }

  /** Where the selected nodes stand. */
  #standing() {
    return this.nodes.map((id) => [id, this.moving.get(id) ?? this.view.nodes.get(id)]);
  }

  /** What a drag starts from. */
  lift() { return this.#standing().map(([id, { x, y }]) => [id, { x, y }]); }

  /** Writes where the moved nodes are now: one operation for the whole drag. */
  drop() {
    clearTimeout(this.#settle);
    const moved = [...this.moving].filter(([id, { x, y }]) => {
      const node = this.view.nodes.get(id);
      return node && (node.x !== x || node.y !== y);
    });
    if (moved.length > 0) this.#write({ nodes: Object.fromEntries(moved) });
    this.giveUp();
  }

  /** Puts the moved nodes back. */
  giveUp() {
    if (this.moving.size === 0) return;
    this.moving.clear();
    this.#room.setPresence({ drag: null });
    this.#changed();
  }

  #write(patch) {
    if (!this.writable) return false;
    this.#room.submit(patch);
    return true;
  }
}
