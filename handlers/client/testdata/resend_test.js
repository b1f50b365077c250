import { codeOf, same, settle, test, truthy } from "./harness.js";
import { at, joinedRoom, nack, op, open, ops, reconnect } from "./scripted.js";

// Operations are numbered 1, 2, 3 … and confirmed by seeing them in the stream, nothing else. I3
test("Room.submit/confirmed by its own operation in the stream", async () => {
  const { room, told, socket } = await joinedRoom();
  const [a] = ["a", "b"].map((data) => room.submit(data));
  same(ops(await socket().take()), [[1, "a"], [2, "b"]]);
  socket().say(op(1, "other", 7, "x"), op(2, "s1", 1, "a"));
  same(await a.confirmed, { n: 1, seq: 2 });
  same(room.pending.map((p) => p.data), ["b"]);
  same(told.op.map((o) => [o.seq, o.data, o.own]), [[1, "x", false], [2, "a", true]]);
});

// What is written before there is a connection goes out in order once there is one. I3
test("Room.submit/before the first joined", async () => {
  const world = open();
  const room = world.client.join("board", { storage: null });
  room.submit("a");
  room.submit("b");
  await settle();
  world.socket().accept();
  await world.socket().joined();
  same(ops(await world.socket().take()), [[1, "a"], [2, "b"]]);
});

// A reconnect resends what is above joined.n in order, and never what the log has. I1, I4
test("Room.join/resends above joined.n", async () => {
  const world = await joinedRoom();
  const [a, b] = ["a", "b", "c"].map((data) => world.room.submit(data));
  await world.socket().take();
  const join = await reconnect(world, { n: 1, head: at(1) });
  same([join.resume, join.position], ["resume-s1", at(0)]);
  same(ops(await world.socket().take()), [[2, "b"], [3, "c"]]);
  // a is in the log but not in the stream yet: it stays visible, so that nothing flickers.
  same(world.room.pending.map((p) => p.data), ["a", "b", "c"]);
  world.socket().say(op(1, "s1", 1, "a"), op(2, "s1", 2, "b"));
  same([await a.confirmed, await b.confirmed], [{ n: 1, seq: 1 }, { n: 2, seq: 2 }]);
  same(world.room.pending.map((p) => p.data), ["c"]);
});

// An operation that a snapshot already contains never comes in the stream: the head settles it.
test("Room.join/confirmed by the head when the stream starts behind it", async () => {
  const world = await joinedRoom();
  const a = world.room.submit("a");
  await reconnect(world, { n: 1, resumed: false, position: at(5), snapshot: { position: at(5), data: 1 } });
  same(await a.confirmed, { n: 1 });
  same(world.told.reset.at(-1), { snapshot: 1, position: at(5) });
  same(ops(await world.socket().take()), []);
});

// An instance that cannot judge leaves n out: nothing is dropped, everything is sent again.
test("Room.join/without n", async () => {
  const world = await joinedRoom();
  world.room.submit("a");
  world.room.submit("b");
  await reconnect(world, { n: undefined });
  same(ops(await world.socket().take()), [[1, "a"], [2, "b"]]);
  same(world.room.pending.length, 2);
});

// One gap sends from last + 1 once, however many nacks the same burst brings.
test("Room.nack/gap resends from last + 1 once", async () => {
  const { room, socket, clock } = await joinedRoom();
  for (const data of ["a", "b", "c", "d"]) room.submit(data);
  await socket().take();
  socket().say(nack(2, "gap", 0), nack(3, "gap", 0), nack(4, "gap", 0));
  await clock.advance(0);
  same(ops(await socket().take()), [[1, "a"], [2, "b"], [3, "c"], [4, "d"]]);
  await clock.advance(10_000);
  same(ops(await socket().take()), []);
});

// A server that asks for what it had confirmed has lost it: joined.n has the last word. I1
test("Room.nack/last below what is confirmed joins again", async () => {
  const { room, socket, clock } = await joinedRoom();
  for (let n = 1; n <= 2; n++) {
    room.submit(n);
    socket().say(op(n, "s1", n, n));
  }
  room.submit(3);
  await socket().take();
  socket().say(nack(3, "gap", 1));
  await clock.advance(1000);
  await socket().joined({ n: 1, resumed: false, position: at(0), head: at(1) });
  same(ops(await socket().take()), [[2, 2], [3, 3]]);
});

// Where a later operation of ours is, the earlier ones are as well, though the stream began after them.
test("Room.op/confirms those before it", async () => {
  const world = await joinedRoom();
  const [a] = ["a", "b"].map((data) => world.room.submit(data));
  await reconnect(world, { n: undefined, resumed: false, position: at(1), head: at(1) });
  world.socket().say(op(2, "s1", 2, "b"));
  same([await a.confirmed, world.room.pending], [{ n: 1 }, []]);
});

// A server that has an operation on its way already answers once, however often it was sent: that answer is
// not taken for one to the first time, with another to come. I14
test("Room.nack/one answer for two sendings", async () => {
  const { room, socket, clock } = await joinedRoom();
  for (const data of ["a", "b", "c"]) room.submit(data);
  await socket().take();
  socket().say(nack(2, "gap", 0));
  await clock.advance(0);
  same(ops(await socket().take()), [[1, "a"], [2, "b"], [3, "c"]]);
  socket().say(op(1, "s1", 1, "a"), op(2, "s1", 2, "b"), nack(3, "gap", 2));
  await clock.advance(1000);
  same(ops(await socket().take()), [[3, "c"]]);
});

// A gap that does not close is retried ever more slowly, not in a storm.
test("Room.nack/gap without progress backs off", async () => {
  const { room, socket, clock } = await joinedRoom();
  room.submit("a");
  room.submit("b");
  let resent = 0;
  for (let i = 0; i < 100; i++) {
    if (ops(await socket().take()).length > 0) {
      resent++;
      socket().say(nack(2, "gap", 0));
    }
    await clock.advance(100);
  }
  truthy(resent >= 5 && resent <= 10, `resends in ten seconds, ${resent}`);
});

// A duplicate is in the log already: it is neither sent again nor forgotten before it is seen.
test("Room.nack/duplicate is ignored", async () => {
  const { room, told, socket, clock } = await joinedRoom();
  const a = room.submit("a");
  await socket().take();
  socket().say(nack(1, "duplicate", 1));
  await clock.advance(1000);
  same([ops(await socket().take()), room.pending.length, told.nack.length], [[], 1, 0]);
  socket().say(op(1, "s1", 1, "a"));
  same(await a.confirmed, { n: 1, seq: 1 });
});

for (const code of ["rejected", "too_large", "forbidden", "invalid_message"]) {
  // What is refused for good does not use its number: those behind it move up, the author is told. I1
  test(`Room.nack/${code} drops it and renumbers`, async () => {
    const { room, told, socket } = await joinedRoom();
    const [, b] = ["a", "b", "c", "d"].map((data) => room.submit(data));
    await socket().take();
    socket().say(nack(2, code, 1), nack(3, "gap", 1), nack(4, "gap", 1));
    same(ops(await socket().take()), [[2, "c"], [3, "d"]]);
    same(await codeOf(b.confirmed), code);
    same(told.nack.map((n) => [n.op.data, n.error.code, n.final]), [["b", code, true]]);
    same(room.pending.map((p) => [p.n, p.data]), [[1, "a"], [2, "c"], [3, "d"]]);
  });
}

// Two answers to two transmissions of one operation never hit the one that took its number. I1
test("Room.nack/a late second refusal does not hit the next operation", async () => {
  const { room, socket, clock } = await joinedRoom();
  const [, , c] = ["a", "bad", "c"].map((data) => room.submit(data));
  await socket().take();
  socket().say(nack(1, "unavailable", 0, { retryAfter: 100 }));
  await clock.advance(100);
  socket().say(op(1, "s1", 1, "a")); // the knock got through: the rest goes a second time
  same(ops(await socket().take()), [[1, "a"], [2, "bad"], [3, "c"]]);
  socket().say(nack(2, "rejected", 1)); // the answer to the first transmission
  same(ops(await socket().take()), [[2, "c"]]);
  socket().say(nack(2, "rejected", 1)); // to the second
  same(room.pending.map((p) => [p.n, p.data]), [[2, "c"]]);
  socket().say(op(2, "s1", 2, "c"));
  same(await c.confirmed, { n: 2, seq: 2 });
});

for (const code of ["unavailable", "rate_limited", "queue_full", "internal"]) {
  // What passes by itself keeps its operation; one knocks after retryAfter, the others follow it.
  test(`Room.nack/${code} keeps it and knocks`, async () => {
    const { room, told, socket, clock } = await joinedRoom();
    for (const data of ["a", "b", "c"]) room.submit(data);
    await socket().take();
    socket().say(nack(1, code, 0, { retryAfter: 700 }), nack(2, "gap", 0), nack(3, "gap", 0));
    await clock.advance(699);
    same(ops(await socket().take()), []);
    await clock.advance(1);
    same(ops(await socket().take()), [[1, "a"]]);
    socket().say(op(1, "s1", 1, "a"));
    same(ops(await socket().take()), [[2, "b"], [3, "c"]]);
    same(told.nack.map((n) => [n.op.data, n.final]), [["a", false]]);
  });
}

// The last 128 confirmed operations come back when the log lost them, in front of the pending ones. I1
test("Room.join/joined.n below what is confirmed resends it", async () => {
  const world = await joinedRoom();
  for (let n = 1; n <= 3; n++) {
    world.room.submit(`v${n}`);
    world.socket().say(op(n, "s1", n, `v${n}`));
  }
  world.room.submit("v4");
  await reconnect(world, { n: 1, resumed: false, position: at(0), head: at(1), reason: "diverged" });
  same(ops(await world.socket().take()), [[2, "v2"], [3, "v3"], [4, "v4"]]);
  same(world.room.pending.map((p) => p.data), ["v2", "v3", "v4"]);
});

// Where that buffer does not reach, only a new session can go on; it takes along what is left. I1
test("Room.join/beyond 128 confirmed operations it starts a new session", async () => {
  const world = await joinedRoom();
  for (let n = 1; n <= 130; n++) {
    world.room.submit(n);
    world.socket().say(op(n, "s1", n, n));
  }
  same(world.room.pending.length, 0);
  await reconnect(world, { n: 1, resumed: false, position: at(0), head: at(1) });
  await world.clock.advance(1000);
  const sent = await world.socket().take();
  same(sent.map((m) => m.type), ["leave", "join"]);
  same(sent[1].resume, undefined);
  world.socket().say({
    type: "joined", id: sent[1].id, room: "board", session: "s2", resume: "r2", access: "editor", resumed: false,
    n: 0, position: at(0), head: at(0), state: "live", durability: "redis", participants: [],
  });
  const again = ops(await world.socket().take());
  same([again.length, again[0], again.at(-1)], [128, [1, 3], [128, 130]]);
});

// A stale token means a new session; what was under way under the old one is looked for first. I1
test("Room.join/stale_session joins without token and repeats nothing", async () => {
  const world = await joinedRoom();
  const [a, b] = ["a", "b"].map((data) => world.room.submit(data));
  world.socket().lose();
  await world.clock.advance(1000);
  world.socket().accept();
  const [join] = await world.socket().take("join");
  world.socket().say({ type: "error", id: join.id, room: "board", code: "stale_session", message: "ended" });
  await world.clock.advance(0);
  const second = await world.socket().joined({ session: "s2", head: at(2) });
  same([second.resume, second.position], [undefined, at(0)]);
  same(ops(await world.socket().take()), []);
  world.socket().say(op(1, "s1", 1, "a"));
  same(await a.confirmed, { n: 1, seq: 1 });
  world.socket().say(op(2, "x", 1));
  same(ops(await world.socket().take()), [[1, "b"]]);
  world.socket().say(op(3, "s2", 1, "b"));
  same(await b.confirmed, { n: 1, seq: 3 });
});

// The application on the server may put other data in the place of ours: that is our operation all the same,
// and what everybody applies is what came. I1, I2
test("Room.op/ours with other data", async () => {
  const world = await joinedRoom({ join: { reduce: (sum = 0, data) => sum + data } });
  const { room, socket, told } = world;
  const [a, b] = [1000, 2].map((data) => room.submit(data));
  same(ops(await socket().take()), [[1, 1000], [2, 2]]);
  socket().say(op(1, "s1", 1, 10));
  same([await a.confirmed, room.state, room.optimistic], [{ n: 1, seq: 1 }, 10, 12]);
  same(told.op.map((o) => [o.data, o.own]), [[10, true]]);
  same(room.pending, [b].map((p) => ({ ...p })));
  await reconnect(world, { n: 2, head: at(2) }); // what comes after a reconnect is ours as well
  socket().say(op(2, "s1", 2, 20));
  same([await b.confirmed, room.state, room.pending], [{ n: 2, seq: 2 }, 30, []]);
  same(ops(await socket().take()), []);
});

// Also when what it put there is what another of ours says. I1
test("Room.op/ours with the data of our next", async () => {
  const { room, socket } = await joinedRoom();
  const [a, b] = [120, 100].map((data) => room.submit(data));
  same(ops(await socket().take()), [[1, 120], [2, 100]]);
  socket().say(op(1, "s1", 1, 100));
  same([await a.confirmed, room.pending.map((p) => p.data)], [{ n: 1, seq: 1 }, [100]]);
  socket().say(op(2, "s1", 2, 100));
  same([await b.confirmed, room.pending, ops(await socket().take())], [{ n: 2, seq: 2 }, [], []]);
});

// What the server wrote twice from its memory does not stand for the next of ours, which moves behind it once
// the rest of the log is known: it may be there under other numbers. I1
test("Room.op/our number with an older one of ours", async () => {
  const { room, socket, clock } = await joinedRoom();
  for (const data of ["a", "b", "c"]) room.submit(data);
  await socket().take();
  socket().say({ type: "queued", room: "board", n: 3 }, op(1, "s1", 1, "a"), op(2, "s1", 2, "a"));
  same(room.pending.map((p) => p.data), ["b", "c"]);
  room.submit("d");
  await clock.advance(4999);
  same(ops(await socket().take()), []);
  await clock.advance(1);
  await socket().joined({ n: 3, head: at(3) });
  same(ops(await socket().take()), []);
  socket().say(op(3, "s1", 3, "c"));
  same(ops(await socket().take()), [[4, "b"], [5, "d"]]);
});

// No more than limits.pending are on their way; the rest follows the confirmations.
test("Room.submit/respects limits.pending", async () => {
  const { room, socket } = await joinedRoom();
  for (let i = 1; i <= 300; i++) room.submit(i);
  same((await socket().take("op")).length, 256);
  socket().say(op(1, "s1", 1, 1), op(2, "s1", 2, 2));
  same(ops(await socket().take()), [[257, 257], [258, 258]]);
});

// An operation above messageBytes would end the socket, and again after every reconnect.
test("Room.submit/too large is refused here", async () => {
  const { room, told, socket } = await joinedRoom();
  const big = room.submit("x".repeat(70_000));
  room.submit("small");
  same(await codeOf(big.confirmed), "too_large");
  same(ops(await socket().take()), [[1, "small"]]);
  same(told.nack.length, 1);
});

// What the application changes after submit is not what is sent again later.
test("Room.submit/takes a copy", async () => {
  const { room } = await joinedRoom();
  const data = { a: 1 };
  const pending = room.submit(data);
  data.a = 2;
  same([pending.data, pending.text], [{ a: 1 }, '{"a":1}']);
  await settle();
});
