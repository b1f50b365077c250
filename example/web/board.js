import { connect, mergePatch } from "/collab/client.js";
import { Camera } from "./camera.js";
import { Desk } from "./desk.js";
import * as keyboard from "./keyboard.js";
import { COLORS, boardOf, isObject } from "./model.js";
import { People, nickname } from "./people.js";
import { Pointer } from "./pointer.js";
import { hideNotice, notify, showEnding, showStatus } from "./status.js";
import { View } from "./view.js";
import { Writer } from "./writer.js";

const MARGIN = { left: 48, right: 320, top: 96, bottom: 112 };

let scheduled = false; // a frame is asked for
let outdated = true; // the board has changed since the last one
let connecting = false; // the notice says how to connect

const roomId = roomFromAddress();
const client = connect({ token: tokenFromAddress() });
export const room = client.join(roomId, {
  reduce: mergePatch,
  presence: { name: savedName(), cursor: null, selection: null, drag: null, edit: null },
});
const people = new People();
const view = new View();
const surface = document.getElementById("surface");
const desk = new Desk(room, changed);
const writer = new Writer(room, desk, view);
const camera = new Camera(surface, document.getElementById("world"), changed);
const pointer = new Pointer(surface, {
  desk, camera, view, rename,
  moved: (at) => room.setPresence({ cursor: at && [Math.round(at.x), Math.round(at.y)] }),
});
keyboard.listen({ desk, camera, rename, addCard, fit, cancel: () => pointer.cancel() });

room.on("change", () => {
  outdated = true;
  changed();
});
room.on("reset", ({ reason }) => {
  if (reason === "diverged") notify("The server has another history: this is the board that it has.");
});
room.on("op", ({ data }) => {
  if (isObject(data) && isObject(data.nodes)) people.settled(Object.keys(data.nodes));
});
room.on("presence", changed);
const stopWaiting = room.on("synced", () => {
  stopWaiting(); // later the view is where its user has left it
  draw();
  if (view.boxes().some((box) => !visible(box))) fit();
});
room.on("nack", ({ error, final }) => { if (final) notify(`A change was refused: ${error.message}`); });
room.on("left", ({ reason }) => showEnding(reason));
client.on("status", ({ status, reason }) => {
  if (status === "closed") showEnding(reason);
  changed();
});

setUpPage();
changed();

/** Draws before the next frame, however much changes until then. */
function changed() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(draw);
}

function draw() {
  scheduled = false;
  if (outdated) desk.show(boardOf(room.optimistic, dataOf(room.pending), dataOf(room.tentative)));
  outdated = false;
  const { nodes, edges } = desk.view;
  people.update(room.participants, (id) => nodes.get(id)?.text);
  view.draw({
    nodes, edges, selection: desk.selection, marks: people.marks, target: desk.source,
    places: new Map([...people.places(), ...desk.moving]),
  });
  showStatus(client, room);
  showTools();
  if (people.settling) setTimeout(changed, 100);
}

function rename(id) {
  outdated = true;
  draw(); // a node that was added just now has no element yet
  writer.open(id);
}

/** Adds a card in the middle of the window, or beside the selected one. */
function addCard() {
  const beside = desk.nodes.length === 1 && view.box(desk.nodes[0]);
  const at = beside
    ? { x: beside.x + beside.width * 1.5 + 64, y: beside.y + beside.height / 2 }
    : camera.center();
  rename(desk.add(at));
}

function fit() {
  if (view.boxes().length > 0) camera.fit(view.boxes(), MARGIN);
}

function visible({ x, y, width, height }) {
  const { left, top, right, bottom } = surface.getBoundingClientRect();
  const [from, to] = [camera.toWorld(left, top), camera.toWorld(right, bottom)];
  return x >= from.x && y >= from.y && x + width <= to.x && y + height <= to.y;
}

function showTools() {
  const { writable, nodes, selection, source } = desk;
  button("add").disabled = !writable;
  button("connect").disabled = !writable || desk.view.nodes.size < 2;
  button("rename").disabled = !writable || nodes.length !== 1;
  button("remove").disabled = !writable || selection.size === 0;
  const used = new Set(nodes.map((id) => desk.view.nodes.get(id).color));
  for (const swatch of document.querySelectorAll("#colors button")) {
    swatch.disabled = !writable || nodes.length === 0;
    swatch.setAttribute("aria-pressed", String(used.has(swatch.dataset.color)));
  }
  document.getElementById("zoom").textContent = `${Math.round(camera.scale * 100)}%`;
  button("connect").setAttribute("aria-pressed", String(source !== undefined));
  document.body.classList.toggle("connecting", source !== undefined);
  if (source !== undefined) {
    notify(source ? "Choose the card to connect to. Esc stops." : "Choose the card to start from. Esc stops.",
      undefined, true);
  } else if (connecting) {
    hideNotice();
  }
  connecting = source !== undefined;
}

function setUpPage() {
  document.title = `${roomId} · Flow board`;
  document.getElementById("room").textContent = roomId;
  document.getElementById("fresh").href = `/board/${crypto.getRandomValues(new Uint32Array(1))[0].toString(36)}`;
  button("share").addEventListener("click", share);
  button("add").addEventListener("click", addCard);
  button("connect").addEventListener("click", () => {
    if (desk.source === undefined) desk.startConnecting();
    else desk.stopConnecting();
  });
  button("rename").addEventListener("click", () => rename(desk.nodes[0]));
  button("remove").addEventListener("click", () => desk.remove());
  button("zoom-in").addEventListener("click", () => camera.zoomBy(1.25));
  button("zoom-out").addEventListener("click", () => camera.zoomBy(0.8));
  button("zoom-fit").addEventListener("click", fit);
  for (const color of COLORS) {
    const swatch = document.createElement("button");
    Object.assign(swatch, { type: "button", title: color });
    swatch.dataset.color = color;
    swatch.setAttribute("aria-label", `Colour ${color}`);
    swatch.addEventListener("click", () => desk.paint(color));
    document.getElementById("colors").append(swatch);
  }
  setUpName();
}

function setUpName() {
  const input = document.getElementById("name");
  input.value = savedName() ?? "";
  input.addEventListener("input", () => {
    const name = input.value.trim().slice(0, 40);
    saveName(name);
    room.setPresence({ name: name || null });
    changed();
  });
  input.addEventListener("keydown", (e) => { if (e.key === "Enter") input.blur(); });
  room.on("presence", () => {
    const user = room.participants.get(room.session)?.user;
    if (user) input.placeholder = nickname(user);
  });
}

async function share() {
  const link = `${location.origin}/board/${encodeURIComponent(roomId)}`;
  try {
    await navigator.clipboard.writeText(link);
    notify("The link is in your clipboard.");
  } catch {
    notify(link, undefined, true); // no clipboard without https: show what to copy
  }
}

function savedName() {
  try {
    return localStorage.getItem("flow name") || null;
  } catch {
    return null; // storage is switched off
  }
}

function saveName(name) {
  try {
    localStorage.setItem("flow name", name);
  } catch {
    // storage is switched off: the name lasts as long as the page
  }
}

function roomFromAddress() {
  const [, path] = /^\/board\/([^/]+)$/.exec(location.pathname) ?? [];
  return (path && decodeURIComponent(path)) || new URLSearchParams(location.search).get("room") || "lobby";
}

/** A token comes after # so that no server logs it, and leaves the address so that nobody shares it. */
function tokenFromAddress() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) history.replaceState(null, "", location.pathname + location.search);
  try {
    if (given) sessionStorage.setItem("flow token", given);
    return sessionStorage.getItem("flow token") ?? undefined;
  } catch {
    return given ?? undefined; // storage is switched off: a reload needs the token again
  }
}

function dataOf(operations) { return operations.map((op) => op.data); }
function button(id) { return document.getElementById(id); }
