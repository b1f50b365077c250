/**
 * The board as data: {nodes: {id: {x, y, text, color}}, edges: {id: {from, to}}}, changed by JSON merge
 * patches (RFC 7396). Everything that comes from others is checked here, once; what is drawn is clean.
 */

export const COLORS = ["slate", "blue", "teal", "green", "amber", "rose", "violet"];

export const NODE_WIDTH = 184;

const FAR = 100_000;

/**
 * What to draw of a state: nodes and edges by id. Those that patches touch which are not confirmed, and are in the
 * state already, are marked with whose they are.
 */
export function boardOf(state, ours, theirs = []) {
  const marks = new Map();
  for (const [whose, patches] of [["theirs", theirs], ["ours", ours]]) {
    for (const changed of patches.filter(isObject).flatMap(({ nodes, edges }) => [nodes, edges]).filter(isObject)) {
      for (const id of Object.keys(changed)) marks.set(id, whose);
    }
  }
  const nodes = collect(state?.nodes, (id, node) => cleanNode(id, node, marks.get(id) ?? ""));
  const edges = collect(state?.edges, (id, edge) => cleanEdge(id, edge, nodes, marks.get(id) ?? ""));
  return { nodes, edges };
}

/** The patch that removes nodes with the edges at them, and edges. */
export function removal(view, ids) {
  const patch = { nodes: {}, edges: {} };
  for (const id of ids) {
    if (view.nodes.has(id)) patch.nodes[id] = null;
    if (view.edges.has(id)) patch.edges[id] = null;
  }
  for (const edge of view.edges.values()) {
    if (ids.has(edge.from) || ids.has(edge.to)) patch.edges[edge.id] = null;
  }
  return patch;
}

/** A short random id. */
export function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(9)), (b) => (b % 36).toString(36)).join("");
}

export function isObject(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

/** A coordinate that can be drawn; undefined for anything else. */
export function coordinate(value) {
  if (typeof value !== "number" || !Number.isFinite(value)) return undefined;
  return Math.round(Math.min(FAR, Math.max(-FAR, value)));
}

function collect(entries, clean) {
  const all = new Map();
  for (const [id, value] of Object.entries(isObject(entries) ? entries : {})) {
    const item = isObject(value) && clean(id, value);
    if (item) all.set(id, item);
  }
  return all;
}

/** A node that somebody moved while another deleted it has lost a coordinate: it stays deleted. */
function cleanNode(id, node, unconfirmed) {
  const [x, y] = [coordinate(node.x), coordinate(node.y)];
  if (x === undefined || y === undefined || typeof node.text !== "string") return undefined;
  const color = COLORS.includes(node.color) ? node.color : COLORS[0];
  return { id, x, y, text: node.text.slice(0, 500), color, unconfirmed };
}

function cleanEdge(id, { from, to }, nodes, unconfirmed) {
  if (!nodes.has(from) || !nodes.has(to) || from === to) return undefined;
  return { id, from, to, unconfirmed };
}
