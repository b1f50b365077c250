import { mergePatch } from "../client.js";
import { same, settle, test, truthy } from "./harness.js";
import { at, joinedRoom, nack, op, reconnect } from "./scripted.js";

const append = (state = "", data) => {
  if (data === "bad") throw new Error("no such letter");
  return state + data;
};

/** A room with a reducer, and how often it told a change. */
async function reduced(options = {}) {
  const world = await joinedRoom({ ...options, join: { reduce: append, ...options.join } });
  const changes = [];
  world.room.on("change", () => changes.push([world.room.state, world.room.optimistic]));
  await settle();
  changes.splice(0);
  return { ...world, changes };
}

// The state is the snapshot and what followed it; what has no place yet lies on top, ours above that of others.
test("Room.state/confirmed and optimistic", async () => {
  const { room, socket, changes } = await reduced({ answer: {
    resumed: false, position: at(4), head: at(4), snapshot: { position: at(4), data: "s" },
  } });
  same([room.state, room.optimistic], ["s", "s"]);
  room.submit("1");
  room.submit("2");
  same([room.state, room.optimistic], ["s", "s12"]);
  socket().say({ type: "tentative", room: "board", session: "x", n: 1, user: "u", data: "t" }, op(5, "y", 1, "y"));
  same([room.state, room.optimistic], ["sy", "syt12"]);
  socket().say(op(6, "s1", 1, "1"), op(7, "x", 1, "t"));
  same([room.state, room.optimistic], ["sy1t", "sy1t2"]);
  await settle();
  same(changes, [["sy1t", "sy1t2"]], "told once in a turn");
});

// Whoever hears of an operation sees the state with it, and of a refusal the state without it.
test("Room.state/at the time of the event", async () => {
  const { room, socket, changes } = await reduced();
  const seen = [];
  for (const type of ["op", "nack"]) room.on(type, () => seen.push([type, room.state, room.optimistic]));
  room.submit("a");
  room.submit("b");
  await socket().take();
  socket().say(op(1, "s1", 1, "a"), nack(2, "rejected"));
  same(seen, [["op", "a", "ab"], ["nack", "a", "a"]]);
  await settle();
  same(changes.at(-1), ["a", "a"]);
});

// An operation that the reducer does not take changes nothing, here as on the server; the application is told.
test("Room.state/a reducer that throws", async () => {
  const { room, socket, told } = await reduced();
  socket().say(op(1, "x", 1, "a"), op(2, "x", 2, "bad"), op(3, "x", 3, "b"));
  room.submit("bad");
  room.submit("c");
  same([room.state, room.optimistic, told.op.length], ["ab", "abc", 3]);
  same(told.error.map((e) => [e.code, e.message]), [["rejected", "the reducer left operation 2 out: no such letter"]]);
});

// What turned out to be void is gone from the state, and what is pending lies over the new one.
test("Room.state/follows a reset", async () => {
  const world = await reduced();
  const { room, socket, clock, told } = world;
  socket().say(op(1, "x", 1, "a"), op(2, "x", 2, "b"));
  room.submit("c");
  socket().say({ type: "rewind", room: "board", position: at(1), reason: "repair" });
  await clock.advance(1000);
  await socket().joined({ resumed: false, position: at(1), head: at(1), snapshot: { position: at(1), data: "A" } });
  same([room.state, room.optimistic], ["A", "Ac"]);
  await reconnect(world, { resumed: false, reason: "diverged", position: at(0), head: at(0) });
  same([room.state, room.optimistic, told.reset.length], [undefined, "c", 3]);
});

// A reducer may be any function, mergePatch among them.
test("Room.state/mergePatch", async () => {
  const { room, socket } = await reduced({ join: { reduce: mergePatch } });
  socket().say(op(1, "x", 1, { a: 1, b: { c: 1 } }), op(2, "x", 2, { a: null }));
  room.submit({ b: { d: 2 } });
  same([room.state, room.optimistic], [{ b: { c: 1 } }, { b: { c: 1, d: 2 } }]);
});

// Without a reducer nothing is kept, and nothing is told.
test("Room.state/without a reducer", async () => {
  const { room, socket } = await joinedRoom();
  let changes = 0;
  room.on("change", () => changes++);
  socket().say(op(1, "x", 1, "a"));
  room.submit("b");
  await settle();
  same([room.state, room.optimistic, changes], [undefined, undefined, 0]);
});

/** A room without listeners, which answers for itself. */
async function answering(head = at(0)) {
  const world = await joinedRoom({ join: { reduce: append }, answer: { head }, quiet: true });
  return { ...world, want: (seq) => world.socket().say({ type: "snapshot-wanted", room: "board", position: at(seq) }) };
}

// The server asks for a snapshot: it gets the confirmed state with its position, once we are there.
test("Room.snapshot/answered by itself", async () => {
  const { room, socket, want } = await answering(at(2));
  socket().say(op(1, "x", 1, "a"));
  want(2);
  room.submit("mine");
  same(await socket().take("snapshot"), []);
  socket().say(op(2, "x", 2, "b"), op(3, "x", 3, "c"));
  const stored = await socket().take("snapshot");
  same(stored.map((m) => [m.room, m.position, m.data]), [["board", at(2), "ab"]]);
  want(1);
  same((await socket().take("snapshot")).map((m) => m.data), ["abc"]);
});

// What the server asked of an earlier connection it has asked of somebody else meanwhile.
test("Room.snapshot/not after a reconnect", async () => {
  const world = await answering();
  world.want(1);
  await reconnect(world);
  world.socket().say(op(1, "x", 1, "a"));
  same(await world.socket().take("snapshot"), []);
});

// A state that no message can carry does not end the connection; a refusal is told.
test("Room.snapshot/too large", async () => {
  const { room, socket, want } = await answering();
  const errors = [];
  room.on("error", (err) => errors.push(err.code));
  for (let n = 1; n <= 3; n++) socket().say(op(n, "x", n, "x".repeat(30_000)));
  want(3);
  same(await socket().take("snapshot"), []);
  same(errors, ["too_large"]);
});

// An application that listens answers itself.
test("Room.snapshot/a listener answers", async () => {
  const { room, socket, want } = await answering();
  const off = room.on("snapshot-wanted", ({ position }) => room.snapshot({ mine: position }));
  socket().say(op(1, "x", 1, "a"));
  want(1);
  same((await socket().take("snapshot")).map((m) => m.data), [{ mine: at(1) }]);
  off();
  want(1);
  same((await socket().take("snapshot")).map((m) => m.data), ["a"]);
  truthy(room.state === "a", "the state is kept all the same");
});
