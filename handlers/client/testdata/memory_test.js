import { same, settle, test, truthy } from "./harness.js";
import { at, joinedRoom, op, open, ops } from "./scripted.js";

/** A sessionStorage of one tab; copy() is what a duplicated tab starts with. */
class TabStorage {
  constructor(entries = []) { this.entries = new Map(entries); }
  getItem(key) { return this.entries.get(key) ?? null; }
  setItem(key, value) { this.entries.set(key, value); }
  removeItem(key) { this.entries.delete(key); }
  copy() { return new TabStorage(this.entries); }
}

/** The next page in the same tab. */
async function load(storage, answer) {
  const world = open();
  const room = world.client.join("board", { storage });
  await settle();
  world.socket().accept();
  const join = await world.socket().joined(answer);
  return { ...world, room, join };
}

// A reload keeps the session, and what was not confirmed is still sent. I1, I4
test("Room.join/after a reload", async () => {
  const storage = new TabStorage();
  const first = await joinedRoom({ join: { storage } });
  first.room.submit("a");
  first.socket().say(op(1, "s1", 1, "a"));
  first.room.submit("b");
  first.room.submit("c");
  await settle();
  first.client.close();
  const second = await load(storage, { n: 2, position: at(0), head: at(2), resumed: false });
  same([second.join.resume, second.join.position], ["resume-s1", undefined]);
  same(ops(await second.socket().take()), [[3, "c"]]);
  second.socket().say(op(1, "s1", 1, "a"), op(2, "s1", 2, "b"), op(3, "s1", 3, "c"));
  same(second.room.pending, []);
  same((await second.room.submit("d")).n, 4);
});

// What was written before the first connection is not forgotten by a reload. I1
test("Room.join/after a reload before it was joined", async () => {
  const storage = new TabStorage();
  const first = open();
  first.client.join("board", { storage }).submit("a");
  first.client.close();
  const second = await load(storage);
  same([second.join.resume, ops(await second.socket().take())], [undefined, [[1, "a"]]]);
});

// What the next page in the tab has sent for us is not sent twice when this one is shown again. I1
test("Room.join/after the next page wrote it", async () => {
  const world = await joinedRoom();
  world.socket().lose();
  world.room.submit("a");
  await world.clock.advance(10_000);
  world.socket().accept();
  await world.socket().joined({ n: 1, head: at(1) });
  world.socket().say(op(1, "s1", 1, "a"));
  await world.clock.advance(10_000);
  same([ops(await world.socket().take()), world.room.pending], [[], []]);
});

// A page that goes away by itself hands the session to the next one as well.
test("Room.join/after pagehide", async () => {
  const storage = new TabStorage();
  const first = await joinedRoom({ join: { storage } });
  globalThis.dispatchEvent(new Event("pagehide"));
  same((await load(storage)).join.resume, "resume-s1");
  first.client.close();
});

// A duplicated tab becomes a participant of its own and leaves the first one alone.
test("Room.join/in a duplicated tab", async () => {
  const storage = new TabStorage();
  const first = await joinedRoom({ join: { storage } });
  first.room.submit("mine");
  const copy = await load(storage.copy(), { session: "s2" });
  same([copy.join.resume, copy.room.pending], [undefined, []]);
});

// After replaced, the session belongs to the other one, also after a reload here.
test("Room.left/replaced forgets the session", async () => {
  const storage = new TabStorage();
  const { socket } = await joinedRoom({ join: { storage } });
  truthy(storage.entries.size === 1, "remembered");
  socket().say({ type: "left", room: "board", reason: "replaced" });
  same(storage.entries.size, 0);
});

// Rooms and servers do not mix in one tab.
test("Room.join/one memory for each room", async () => {
  const storage = new TabStorage();
  const { client } = await joinedRoom({ join: { storage } });
  client.join("other", { storage });
  client.close();
  const world = open({ url: "ws://elsewhere/ws" });
  world.client.join("board", { storage });
  await settle();
  world.socket().accept();
  same((await world.socket().take("join"))[0].resume, undefined);
});

// A storage that is full, broken or switched off costs the memory, nothing else.
test("Room.join/without a working storage", async () => {
  const broken = {
    getItem() { return "{not json"; },
    setItem() { throw new Error("QuotaExceededError"); },
    removeItem() {},
  };
  const { room, socket } = await joinedRoom({ join: { storage: broken } });
  room.submit("a");
  same(ops(await socket().take()), [[1, "a"]]);
});
