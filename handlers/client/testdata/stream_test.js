import { codeOf, same, settle, test, truthy } from "./harness.js";
import { at, joinedRoom, op, open, ops, reconnect } from "./scripted.js";

// Arrays and single messages are the same stream; what comes twice is told once. I2
test("Room.op/arrays in order, repeats dropped", async () => {
  const { told, room, socket } = await joinedRoom();
  socket().say([op(1, "x", 1), op(2, "x", 2)], op(2, "x", 2), [], [op(1, "x", 1), op(3, "x", 3)]);
  same(told.op.map((o) => o.seq), [1, 2, 3]);
  same(room.position, at(3));
});

// A hole is never handed on: the stream starts again from where we are. I2
test("Room.op/a hole restarts the stream", async () => {
  const { told, socket, clock } = await joinedRoom();
  socket().say(op(1, "x", 1), op(3, "x", 3), op(4, "x", 4));
  same(told.op.map((o) => o.seq), [1]);
  await clock.advance(1000);
  const join = await socket().joined({ head: at(4) });
  same(join.position, at(1));
  socket().say(op(2, "x", 2), op(3, "x", 3));
  same(told.op.map((o) => o.seq), [1, 2, 3]);
});

// Between a join and its joined nothing of the old stream is taken. I2
test("Room.op/of an ended stream is ignored", async () => {
  const { told, socket, clock } = await joinedRoom();
  socket().say(op(2, "x", 2));
  await clock.advance(1000);
  socket().say(op(1, "x", 1));
  same(told.op, []);
});

// Coming back goes on at the position, with the same session, and tells no reset. I4
test("Room.join/resumes by position and token", async () => {
  const world = await joinedRoom();
  world.socket().say(op(1, "x", 1));
  const join = await reconnect(world);
  same([join.resume, join.position], ["resume-s1", at(1)]);
  same(world.told.reset.length, 1);
  same(world.told.status.map((s) => s.status), ["live", "reconnecting", "joining", "live"]);
});

// resumed: false drops the state; the reason is handed on.
test("Room.join/reset from a snapshot", async () => {
  const world = await joinedRoom();
  world.socket().say(op(1, "x", 1));
  await reconnect(world, {
    resumed: false, reason: "trimmed", position: at(7), snapshot: { position: at(7), data: { a: 1 } }, head: at(8),
  });
  same(world.told.reset.at(-1), { snapshot: { a: 1 }, position: at(7), reason: "trimmed" });
  same(world.room.synced, false);
  world.socket().say(op(8, "x", 8));
  same([world.room.synced, world.told.synced.length], [true, 2]);
});

for (const reason of ["replaced", "kicked", "forbidden", "deleted"]) {
  // A membership that somebody ended is not fought for: no join follows, pending is handed back.
  test(`Room.left/${reason} stops`, async () => {
    const { socket, clock, told, room } = await joinedRoom();
    const a = room.submit("a");
    await socket().take();
    socket().say({ type: "left", room: "board", reason });
    same([room.status, room.reason, told.left[0].reason], ["left", reason, reason]);
    same([told.left[0].pending.map((p) => p.data), room.pending], [["a"], []]);
    same(await codeOf(a.confirmed), reason);
    await clock.advance(20_000);
    same(await socket().take("join"), []);
    same(await codeOf((async () => room.submit("b"))()), reason);
  });
}

// An expired session is nobody's decision: a new one follows and takes pending along.
test("Room.left/expired joins as a new session", async () => {
  const { socket, clock, room } = await joinedRoom();
  room.submit("a");
  await socket().take();
  socket().say({ type: "left", room: "board", reason: "expired" });
  await clock.advance(1000);
  const join = await socket().joined({ session: "s2" });
  same([join.resume, room.session], [undefined, "s2"]);
  same(ops(await socket().take()), [[1, "a"]]);
});

// A join that fails for now is tried again, one that fails for good is told.
test("Room.join/refused", async () => {
  const { client, socket, clock } = await joinedRoom();
  const room = client.join("other", { storage: null });
  const refuse = async (code, more) => {
    const [join] = await socket().take("join");
    socket().say({ type: "error", id: join.id, room: "other", code, message: "no", ...more });
  };
  await refuse("room_full", { retryAfter: 3000 });
  await clock.advance(2999);
  same([await socket().take("join"), room.status], [[], "joining"]);
  await clock.advance(1);
  await refuse("forbidden");
  same([room.status, room.reason], ["left", "forbidden"]);
  truthy(client.join("other", { storage: null }) !== room, "a room that was left can be joined anew");
});

// leave ends the session and is over at once.
test("Room.leave/tells the server", async () => {
  const { socket, room, told } = await joinedRoom();
  room.leave();
  same((await socket().take()).map((m) => [m.type, m.room]), [["leave", "board"]]);
  same([room.status, told.left.length], ["left", 1]);
  room.leave();
  same(told.left.length, 1);
});

// Events and the wish for a snapshot are handed on; a snapshot is stored at our position.
test("Room.event/and snapshots", async () => {
  const { socket, room, told } = await joinedRoom();
  socket().say(op(1, "x", 1), { type: "event", room: "board", name: "wave", data: 5, session: "x" });
  same(told.event.map((e) => [e.name, e.data, e.session]), [["wave", 5, "x"]]);
  same(room.send("hi", { a: 1 }, { to: { session: "x" } }), true);
  socket().say({ type: "snapshot-wanted", room: "board", position: at(1) });
  same(told["snapshot-wanted"], [{ position: at(1) }]);
  const stored = room.snapshot({ all: 1 });
  const [event, snapshot] = await socket().take();
  same(event, { type: "event", room: "board", name: "hi", data: { a: 1 }, to: { session: "x" } });
  same([snapshot.position, snapshot.data], [at(1), { all: 1 }]);
  socket().say({ type: "ok", id: snapshot.id });
  await stored;
  const lost = room.snapshot({ all: 2 });
  await socket().take();
  socket().lose();
  same(await codeOf(lost), "unavailable");
  same(room.send("hi"), false);
});

// A listener that throws harms neither the others nor the protocol.
test("Room.on/a listener that throws", async () => {
  const { socket, room, told } = await joinedRoom();
  const quiet = (e) => e.preventDefault();
  globalThis.addEventListener("error", quiet);
  const off = room.on("op", () => { off(); throw new Error("in the application"); });
  const seen = [];
  room.on("op", (o) => seen.push(o.seq));
  socket().say(op(1, "x", 1), op(2, "x", 2));
  same([seen, told.op.length], [[1, 2], 2]);
  await settle();
  globalThis.removeEventListener("error", quiet);
});

// Rooms on one socket do not mix. I6
test("Client.join/two rooms", async () => {
  const world = open();
  const a = world.client.join("a", { storage: null });
  const b = world.client.join("b", { storage: null });
  same(world.client.join("a"), a);
  await settle();
  world.socket().accept();
  const joins = await world.socket().take("join");
  same(joins.map((j) => j.room), ["a", "b"]);
  for (const { id, room } of joins) {
    world.socket().say({
      type: "joined", id, room, session: `s-${room}`, resume: "r", access: "editor", resumed: false, n: 0,
      position: at(0), head: at(0), state: "live", durability: "memory", participants: [],
    });
  }
  world.socket().say({ ...op(1, "x", 1), room: "b" });
  same([a.position, b.position, b.session], [at(0), at(1), "s-b"]);
});
