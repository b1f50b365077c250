import { coordinate, isObject } from "./model.js";

const FIRST = ["Amber", "Brave", "Calm", "Clever", "Gentle", "Happy", "Keen", "Lucky", "Quick", "Quiet", "Sunny", "Swift"];
const SECOND = ["Badger", "Falcon", "Fox", "Heron", "Koala", "Lynx", "Otter", "Owl", "Panda", "Robin", "Seal", "Wren"];

/** How long a dropped node waits for its operation before it goes back to where it was. */
const SETTLE = 1500;

/** What others do, from their presence. It is theirs to write, so nothing in it is taken for granted. */
export class People {
  #cursors = new Map(); // session -> element
  #rows = new Map();
  #dropped = new Map(); // id -> {x, y, until}: let go by its mover, operation not here yet
  #dragged = new Map(); // id -> {x, y}
  #marks = new Map(); // id -> [{name, color}]

  /** participants are those of the room; textOf tells what is written on a node. */
  update(participants, textOf) {
    const people = [...participants.values()].map(describe).sort(order);
    this.#follow(people.filter((p) => !p.self));
    this.#drawList(people, textOf);
    this.#drawCursors(people.filter((p) => !p.self && p.cursor));
  }

  /** Where nodes are that others move right now. */
  places() {
    const now = performance.now();
    for (const [id, place] of this.#dropped) if (place.until < now) this.#dropped.delete(id);
    return new Map([...this.#dropped, ...this.#dragged]);
  }

  /** Who else holds which node. */
  get marks() { return this.#marks; }

  /** The board itself knows where these nodes are. */
  settled(ids) { for (const id of ids) this.#dropped.delete(id); }

  /** Whether places() changes by itself once time passes. */
  get settling() { return this.#dropped.size > 0; }

  #follow(others) {
    const dragged = new Map(others.flatMap((p) => p.drag));
    for (const [id, place] of this.#dragged) {
      if (!dragged.has(id)) this.#dropped.set(id, { ...place, until: performance.now() + SETTLE });
    }
    for (const id of dragged.keys()) this.#dropped.delete(id);
    this.#dragged = dragged;
    this.#marks = new Map();
    for (const person of others) {
      for (const id of person.holds) this.#marks.set(id, [...(this.#marks.get(id) ?? []), person]);
    }
  }

  #drawList(people, textOf) {
    const list = document.getElementById("people");
    document.getElementById("count").textContent = String(people.length);
    prune(this.#rows, people);
    for (const person of people) {
      const row = this.#rows.get(person.session) ?? createRow();
      this.#rows.set(person.session, row);
      const [avatar, lines] = row.children;
      avatar.textContent = initials(person.name);
      row.style.setProperty("--color", person.color);
      lines.firstChild.textContent = person.name;
      lines.lastChild.textContent = activity(person, textOf);
      row.classList.toggle("self", person.self);
    }
    const rows = people.map((p) => this.#rows.get(p.session));
    if (rows.some((row, i) => list.children[i] !== row)) list.replaceChildren(...rows);
  }

  #drawCursors(people) {
    prune(this.#cursors, people);
    for (const person of people) {
      const cursor = this.#cursors.get(person.session) ?? createCursor();
      this.#cursors.set(person.session, cursor);
      cursor.style.setProperty("--color", person.color);
      cursor.style.transform = `translate(${person.cursor.x}px, ${person.cursor.y}px) scale(var(--upright))`;
      cursor.lastChild.textContent = person.name;
    }
  }
}

/** What somebody is called: what they wrote, what the server knows, or a name made from the user id. */
export function nameOf({ user, profile, presence }) {
  return plain(presence.name) || plain(profile?.name) || nickname(String(user));
}

/**
 * A name as it can stand within a sentence: one line, not longer than a name is, without the characters that turn
 * the direction of what follows; "" for one in which nothing is to be seen.
 */
function plain(name) {
  if (typeof name !== "string") return "";
  const line = name.slice(0, 400).replace(/[\p{Bidi_Control}\p{Cc}\u2028\u2029]+/gu, " ").trim();
  return /[^\p{Cf}\p{Z}\p{M}\u3164\uFFA0\u115F\u1160]/u.test(line) ? [...line].slice(0, 40).join("") : "";
}

export function nickname(user) {
  let hash = 7;
  for (const c of user) hash = (hash * 31 + c.codePointAt(0)) >>> 0;
  return `${FIRST[hash % FIRST.length]} ${SECOND[Math.floor(hash / FIRST.length) % SECOND.length]}`;
}

function describe(participant) {
  const { session, profile, joined, self } = participant;
  const presence = isObject(participant.presence) ? participant.presence : {};
  const drag = list(presence.drag).map(place).filter(Boolean);
  const locked = list(presence.$locks).find((name) => String(name).startsWith("edit:"));
  const edit = locked?.slice(5) ?? (typeof presence.edit === "string" ? presence.edit : undefined);
  const selection = list(presence.selection).filter((id) => typeof id === "string");
  return {
    session, self, joined, drag, edit, selection,
    name: nameOf({ ...participant, presence }),
    color: /^#[0-9a-f]{6}$/i.test(profile?.color) ? profile.color : "#475569",
    cursor: point(presence.cursor),
    holds: new Set([...selection, ...drag.map(([id]) => id), ...(edit ? [edit] : [])]),
  };
}

function list(value) { return Array.isArray(value) ? value.slice(0, 50) : []; }

function place(value) {
  const at = isObject(value) && typeof value.id === "string" && point([value.x, value.y]);
  return at ? [value.id, at] : undefined;
}

function point(value) {
  const [x, y] = Array.isArray(value) ? value.map(coordinate) : [];
  return x === undefined || y === undefined ? undefined : { x, y };
}

/** Oneself first, then as they came. */
function order(a, b) { return b.self - a.self || a.joined - b.joined || (a.session < b.session ? -1 : 1); }

function activity({ self, edit, drag, selection, cursor }, textOf) {
  const named = (ids) => (ids.length === 1 ? textOf(ids[0]) ?? "a card" : `${ids.length} cards`);
  if (self) return "You";
  if (edit) return `Writing on ${named([edit])}`;
  if (drag.length > 0) return `Moving ${named(drag.map(([id]) => id))}`;
  if (selection.length > 0) return `At ${named(selection)}`;
  return cursor ? "Looking around" : "Away from the board";
}

function initials(name) {
  return name.split(/\s+/).slice(0, 2).map((word) => [...word][0] ?? "").join("").toUpperCase();
}

function prune(elements, people) {
  const here = new Set(people.map((p) => p.session));
  for (const [session, element] of elements) {
    if (here.has(session)) continue;
    element.remove();
    elements.delete(session);
  }
}

function createRow() {
  const row = document.createElement("li");
  const avatar = document.createElement("span");
  avatar.className = "avatar";
  const lines = document.createElement("span");
  lines.className = "lines";
  lines.append(document.createElement("b"), document.createElement("small"));
  row.append(avatar, lines);
  return row;
}

function createCursor() {
  const cursor = document.createElement("div");
  cursor.className = "cursor";
  const arrow = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  arrow.setAttribute("viewBox", "0 0 20 22");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", "M2 1.5v16.2l4.4-4 2.9 6.6 3-1.3-2.9-6.5h6z");
  arrow.append(path);
  cursor.append(arrow, document.createElement("span"));
  document.getElementById("cursors").append(cursor);
  return cursor;
}
