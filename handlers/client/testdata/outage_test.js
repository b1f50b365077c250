import { codeOf, same, test, truthy } from "./harness.js";
import { at, joinedRoom, nack, op, open, ops, reconnect } from "./scripted.js";

const state = (value, more = {}) => ({ type: "state", state: value, scope: "instance", since: 0, ...more });
const queued = (n) => ({ type: "queued", room: "board", n });
const tentative = (session, n, data = n) => ({ type: "tentative", room: "board", session, n, user: "u", data });
const rewind = (seq) => ({ type: "rewind", room: "board", position: at(seq), reason: "repair" });
const shown = (room) => room.tentative.map((t) => [t.session, t.n]);
const waiting = (room) => room.pending.map((p) => [p.n, p.data]);

/** Writes operations that are confirmed at once: the log is theirs alone. */
function write({ room, socket }, from, to) {
  for (let n = from; n <= to; n++) {
    room.submit(n);
    socket().say(op(n, "s1", n, n));
  }
}

// Queued is no acknowledgement: the operation stays, marked, until it is in the stream. I14
test("Room.queued/keeps the operation", async () => {
  const { room, told, socket } = await joinedRoom();
  const [a] = ["a", "b"].map((data) => room.submit(data));
  await socket().take();
  socket().say(queued(1));
  same(room.pending.map((p) => p.queued), [true, false]);
  same(told.queued, [{ n: 1 }]);
  socket().say(op(1, "s1", 1, "a"));
  same(await a.confirmed, { n: 1, seq: 1 });
});

// What one server held is sent to the next one, which may know nothing of it. I1, I14
test("Room.queued/is sent again after a reconnect", async () => {
  const world = await joinedRoom();
  for (const data of ["a", "b"]) world.room.submit(data);
  world.socket().say(queued(2));
  await reconnect(world, { n: undefined, state: "degraded" });
  same(ops(await world.socket().take()), [[1, "a"], [2, "b"]]);
  same(world.room.pending.map((p) => p.queued), [false, false]);
});

// A late answer to what a server held for an earlier connection is not taken for one to what we sent now. I1
test("Room.queued/answered on the next connection", async () => {
  const world = await joinedRoom();
  const [bad, b] = ["bad", "b"].map((data) => world.room.submit(data));
  await reconnect(world, { n: undefined });
  await world.socket().take();
  world.socket().say(nack(1, "gap", 0)); // held since then
  await world.clock.advance(0);
  same(ops(await world.socket().take()), [[1, "bad"], [2, "b"]]);
  world.socket().say(nack(1, "rejected"), nack(2, "gap", 0));
  same([await codeOf(bad.confirmed), waiting(world.room)], ["rejected", [[1, "b"]]]);
  await world.clock.advance(0);
  world.socket().say(nack(1, "rejected")); // to the second time that bad was sent
  same(waiting(world.room), [[1, "b"]]);
  await world.clock.advance(1000);
  await world.socket().joined({ n: 0 });
  world.socket().say(op(1, "s1", 1, "b"));
  same(await b.confirmed, { n: 1, seq: 1 });
});

// A server that takes the operation that knocks takes the others as well.
test("Room.queued/opens the door", async () => {
  const { room, socket, clock } = await joinedRoom();
  for (const data of ["a", "b", "c"]) room.submit(data);
  await socket().take();
  socket().say(nack(1, "unavailable", 0, { retryAfter: 100 }));
  await clock.advance(100);
  same(ops(await socket().take()), [[1, "a"]]);
  socket().say(queued(1));
  same(ops(await socket().take()), [[2, "b"], [3, "c"]]);
});

// What may be in the log under a session that has ended is not sent before somebody can look there. I1
test("Room.queued/under a session that has ended", async () => {
  const world = await joinedRoom();
  for (const data of ["a", "b"]) world.room.submit(data);
  world.socket().say(queued(2));
  await reconnect(world, { session: "s2", n: undefined, state: "degraded" });
  await world.clock.advance(4999);
  same(ops(await world.socket().take()), []);
  await world.clock.advance(1);
  await world.socket().joined({ session: "s2", n: 0, head: at(1) });
  world.socket().say(op(1, "s1", 1, "a"));
  same(ops(await world.socket().take()), [[1, "b"]]);
});

// An operation that lost its place in the queue is sent again from last + 1. I14
test("Room.queued/refused for a gap after all", async () => {
  const { room, socket, clock } = await joinedRoom();
  for (const data of ["a", "b", "c"]) room.submit(data);
  await socket().take();
  socket().say(queued(3), op(1, "s1", 1, "a"), nack(2, "gap", 1), nack(3, "gap", 1));
  await clock.advance(0);
  same(ops(await socket().take()), [[2, "b"], [3, "c"]]);
});

// A server that does not know our numbers may hold one that we have given to another operation since.
// Which one it refuses then is not guessed: behind a new joined there are no old answers. I1
test("Room.queued/under a number that was given anew", async () => {
  const { room, socket, clock } = await joinedRoom({ answer: { n: undefined, state: "degraded" } });
  const [bad, , , d] = ["bad", "b", "c", "d"].map((data) => room.submit(data));
  await socket().take();
  socket().say(nack(1, "rejected"), queued(2), queued(3)); // b and c, by the numbers that they had
  same(await codeOf(bad.confirmed), "rejected");
  same(ops(await socket().take()), [[1, "b"], [2, "c"], [3, "d"]]);
  socket().say(nack(3, "rejected")); // of d, to which c's number was given: or of c
  same([waiting(room), room.status], [[[1, "b"], [2, "c"], [3, "d"]], "joining"]);
  await clock.advance(1000);
  await socket().joined({ n: 0 });
  same(ops(await socket().take()), [[1, "b"], [2, "c"], [3, "d"]]);
  socket().say(nack(3, "rejected"));
  same([await codeOf(d.confirmed), waiting(room)], ["rejected", [[1, "b"], [2, "c"]]]);
});

// Others' operations without a place are listed once, ours are not: they are pending.
test("Room.tentative/listed once, ended by the operation", async () => {
  const { socket, room, told } = await joinedRoom();
  room.submit("mine");
  socket().say(state("degraded"));
  socket().say(tentative("x", 1), tentative("x", 2), tentative("s1", 1), tentative("y", 1), tentative("x", 1));
  same(shown(room), [["x", 2], ["y", 1], ["x", 1]]);
  socket().say(op(1, "x", 1));
  same(shown(room), [["x", 2], ["y", 1]]);
  socket().say(op(2, "x", 2));
  same([shown(room), told.tentative.length], [[["y", 1]], 4]);
});

// What never got a place is dropped when everything is live, no sooner, and the application is told.
test("Room.tentative/ended by live", async () => {
  const { socket, room, told } = await joinedRoom();
  socket().say(state("degraded"), state("degraded", { room: "board" }), tentative("x", 1), tentative("y", 1));
  socket().say(state("recovering"), state("live", { room: "board" }));
  same(room.tentative.length, 2);
  const before = told.pending.length;
  socket().say(state("live"));
  same([room.tentative, told.pending.length - before], [[], 1]);
});

// Nobody knows after a new start of the stream what still waits: the server tells it again.
test("Room.tentative/ended by joined", async () => {
  const world = await joinedRoom();
  world.socket().say(tentative("x", 1));
  await reconnect(world);
  same(world.room.tentative, []);
});

// An instance that is behind may show as waiting what everybody has long seen: that is not shown twice.
test("Room.tentative/of what is in the stream", async () => {
  const world = await joinedRoom();
  const { socket, room, told } = world;
  socket().say(op(1, "x", 1), op(2, "x", 2), op(3, "y", 1));
  socket().say(tentative("x", 1), tentative("x", 2), tentative("x", 3), tentative("y", 1), tentative("z", 1));
  same([shown(room), told.tentative.length], [[["x", 3], ["z", 1]], 2]);
  await reconnect(world, { state: "degraded" }); // the stream goes on: so does what was seen
  world.socket().say(tentative("x", 2), tentative("x", 3));
  same(shown(room), [["x", 3]]);
  await reconnect(world, { resumed: false, position: at(0), head: at(0), reason: "diverged" });
  world.socket().say(tentative("x", 2)); // of another history
  same(shown(room), [["x", 2]]);
});

// What is in the log already never comes in a stream that began behind it. It does not wait for ever. I14
test("Room.nack/duplicate of what the stream does not bring", async () => {
  const world = await joinedRoom();
  const a = world.room.submit("a");
  world.room.submit("b");
  const snapshot = { position: at(3), data: "with a" };
  await reconnect(world, { n: undefined, resumed: false, position: at(3), head: at(3), snapshot });
  world.socket().say(nack(1, "duplicate", 1));
  await world.clock.advance(5000);
  await world.socket().joined({ n: 1 });
  same(await a.confirmed, { n: 1 });
  same(waiting(world.room), [[2, "b"]]);
});

for (const code of ["unavailable", "queue_full", "rate_limited"]) {
  // A server that cannot know what is in the log starts no search for what was not lost. I2
  test(`Room.nack/${code} with an older last`, async () => {
    const world = await joinedRoom();
    write(world, 1, 3);
    world.room.submit(4);
    await world.socket().take();
    world.socket().say(nack(4, code, 0, { retryAfter: 100 }));
    await world.clock.advance(100);
    const sent = await world.socket().take();
    same([sent.map((m) => m.type), ops(sent)], [["op"], [[4, 4]]]);
  });
}

// A gap below what the buffer of confirmed operations reaches: only a new session can go on, from 1. I1
test("Room.nack/gap that the buffer does not reach", async () => {
  const world = await joinedRoom();
  write(world, 1, 130);
  for (const n of [131, 132]) world.room.submit(n);
  await world.socket().take();
  world.socket().say(nack(131, "gap", 1), nack(132, "gap", 1));
  await world.clock.advance(1000);
  await world.socket().joined({ n: 1, head: at(130) });
  await world.clock.advance(1000);
  const [leave, join] = await world.socket().take();
  same([leave.type, join.type, join.resume, join.position], ["leave", "join", undefined, at(130)]);
  const answer = { session: "s2", resume: "r2", n: 0, position: at(200), head: at(200), resumed: false };
  world.socket().say({ ...join, type: "joined", access: "editor", state: "live", participants: [], ...answer });
  const again = ops(await world.socket().take());
  const want = Array.from({ length: 130 }, (_, i) => [i + 1, i + 3]); // 3 to 130 were kept, 131 and 132 waited
  same(again, want);
  truthy(world.room.pending.every((p, i) => p.n === i + 1), "the numbers start at 1");
});

// The room's state is loaded anew, without what is void; ours behind it go out again. I1
test("Room.rewind/joins again without a position", async () => {
  const world = await joinedRoom();
  write(world, 1, 2);
  await world.socket().take();
  world.socket().say(rewind(1));
  // Until there is another state, the one that is shown still contains them.
  same([world.room.pending, world.room.status], [[], "joining"]);
  await world.clock.advance(1000);
  const join = await world.socket().joined({ n: 1, position: at(0), head: at(1) });
  same([join.position, world.told.reset.length], [undefined, 2]);
  same(waiting(world.room), [[2, 2]]);
  same(ops(await world.socket().take()), [[2, 2]]);
  world.socket().say(op(1, "s1", 1, 1), op(2, "s1", 2, 2));
  same([waiting(world.room), world.room.position], [[], at(2)]);
});

// The same where the server does not know our n, or has ended our session meanwhile. I1
for (const [name, answer, sent] of [
  ["without n", { n: undefined }, [[2, 2], [3, 3], [4, "new"]]],
  ["with n of what was written again", { n: 2 }, [[3, 3], [4, "new"]]],
  ["with a new session", { n: 0, session: "s2", position: at(1) }, [[1, 2], [2, 3], [3, "new"]]],
]) {
  test(`Room.rewind/joins again ${name}`, async () => {
    const world = await joinedRoom();
    write(world, 1, 3);
    await world.socket().take();
    world.socket().say(rewind(1));
    world.room.submit("new");
    await world.clock.advance(1000);
    await world.socket().joined({ resumed: false, position: at(0), head: at(1), ...answer });
    world.socket().say(op(1, "s1", 1, 1));
    same(ops(await world.socket().take()), sent);
  });
}

// A server that begins anew before what we had confirmed has lost that, also if it does not know our n. I1
test("Room.join/with a head before what is confirmed", async () => {
  const world = await joinedRoom();
  write(world, 1, 3);
  await world.socket().take();
  await reconnect(world, { n: undefined, resumed: false, position: at(0), head: at(2) });
  same([ops(await world.socket().take()), waiting(world.room)], [[[3, 3]], [[3, 3]]]);
});

// A second rewind, or a lost connection, before the state is here does not make us forget it. I1
test("Room.rewind/twice, and a lost connection", async () => {
  const world = await joinedRoom();
  write(world, 1, 2);
  world.socket().say(rewind(1), rewind(0));
  const join = await reconnect(world, { n: undefined, resumed: false, position: at(0), head: at(9) });
  same(join.position, undefined);
  same(ops(await world.socket().take()), [[1, 1], [2, 2]]);
});

// A rewind that comes between the question and its answer voids the position that was asked for. I1, I14
test("Room.rewind/before joined resumes", async () => {
  const world = await joinedRoom();
  write(world, 1, 2);
  await world.socket().take();
  world.socket().say(op(9, "x", 9));
  await world.clock.advance(1000);
  world.socket().say(rewind(0));
  same((await world.socket().joined({ n: undefined })).position, at(2));
  same([world.room.status, ops(await world.socket().take())], ["joining", []]);
  await world.clock.advance(1000);
  const join = await world.socket().joined({ n: undefined, position: at(0), head: at(2) });
  same([join.position, world.told.reset.length], [undefined, 2]);
  same([ops(await world.socket().take()), waiting(world.room)], [[[1, 1], [2, 2]], [[1, 1], [2, 2]]]);
  world.socket().say(op(1, "s1", 1, 1), op(2, "s1", 2, 2)); // at the very same positions
  same(waiting(world.room), []);
});

// A rewind to where we are takes nothing back of what we show, but what was said of our operations: n tells. I1
test("Room.rewind/to the own position", async () => {
  const world = await joinedRoom();
  write(world, 1, 1);
  for (const n of [2, 3]) world.room.submit(n);
  await world.socket().take();
  world.socket().say(nack(2, "duplicate", 3), rewind(1));
  await world.clock.advance(1000);
  const join = await world.socket().joined({ n: 1, head: at(1) });
  same([join.position, world.told.reset.length], [at(1), 1]);
  same([ops(await world.socket().take()), world.room.position], [[[2, 2], [3, 3]], at(1)]);
  world.socket().say(op(2, "s1", 2, 2), op(3, "s1", 3, 3));
  same([waiting(world.room), world.room.position], [[], at(3)]);
});

// What joined.n promised and the stream has not brought is void with it. I1, I14
test("Room.rewind/before the stream brings what joined.n told of", async () => {
  const world = await joinedRoom();
  world.room.submit("a");
  await reconnect(world, { n: 1, head: at(1) });
  same(ops(await world.socket().take()), []);
  world.socket().say(rewind(0));
  await world.clock.advance(1000);
  await world.socket().joined({ n: 0 });
  same([ops(await world.socket().take()), world.told.reset.length], [[[1, "a"]], 1]);
});

// What was settled by n, and never seen, is void with the log behind the position; n may be unknown then. I1
for (const [name, to, again] of [["before the head of that time", 4, [[3, 3]]], ["at that head", 5, []]]) {
  test(`Room.rewind/of what joined.n has settled, ${name}`, async () => {
    const world = await joinedRoom();
    write(world, 1, 2);
    world.room.submit(3);
    const start = { resumed: false, reason: "trimmed", snapshot: { position: at(5), data: [1, 2, 3] } };
    await reconnect(world, { n: 3, position: at(5), head: at(5), ...start });
    await world.room.pending[0]?.confirmed;
    same(waiting(world.room), []);
    await world.socket().take();
    world.socket().say(rewind(to));
    await world.clock.advance(1000);
    const answer = to === 5 ? {} : { resumed: false, position: at(0) };
    await world.socket().joined({ n: undefined, head: at(to), ...answer });
    same([ops(await world.socket().take()), waiting(world.room)], [again, again]);
  });
}

// What a duplicate says is not believed before joined has said it, too: the log may have lost it since. I1, I14
test("Room.rewind/after a duplicate that was not seen", async () => {
  const world = await joinedRoom();
  for (const data of ["a", "b"]) world.room.submit(data);
  await reconnect(world, { n: undefined, head: at(1) });
  world.socket().say(nack(1, "duplicate", 2), nack(2, "duplicate", 2), op(1, "x", 1));
  same([world.room.synced, waiting(world.room)], [true, [[1, "a"], [2, "b"]]]);
  await world.socket().take();
  world.socket().say(rewind(1));
  await world.clock.advance(1000);
  await world.socket().joined({ n: undefined, head: at(1) });
  same(ops(await world.socket().take()), [[1, "a"], [2, "b"]]);
});

// A server that lost everything, sessions included, gets back what we hold, unless others brought it. I1
test("Room.join/of a log that is new, with a new session", async () => {
  const world = await joinedRoom();
  write(world, 1, 3);
  world.room.submit(4);
  const answer = { session: "s2", n: 0, resumed: false, reason: "diverged", position: at(0), head: at(1) };
  await reconnect(world, answer);
  world.socket().say(op(1, "s1", 2, 2));
  same(ops(await world.socket().take()), [[1, 1], [2, 3], [3, 4]]);
  await reconnect(world, { ...answer, session: "s3", reason: "trimmed", position: at(9), head: at(9) });
  same(ops(await world.socket().take()), [[1, 1], [2, 3], [3, 4]]);
});

// A room that was deleted and made again gets nothing of the old one, also not what waited.
test("Room.join/of a room that was deleted meanwhile", async () => {
  const world = await joinedRoom();
  write(world, 1, 2);
  const waits = world.room.submit("for the old one");
  await reconnect(world, { n: 0, resumed: false, reason: "deleted", position: at(0), head: at(0) });
  same(ops(await world.socket().take()), []);
  same([await codeOf(waits.confirmed), waiting(world.room)], ["room_deleted", []]);
  same(world.told.nack.map((n) => [n.op.data, n.final]), [["for the old one", true]]);
  same(world.room.submit("for the new one").n, 1);
});

// The state of the server is that of its rooms, a room's own is not that of the others: the worst counts.
test("Client.state/of the server and of a room", async () => {
  const { client, room, socket } = await joinedRoom();
  const other = client.join("other", { storage: null });
  await socket().joined({ session: "s9" });
  const seen = () => [client.status, room.status, other.status];
  const told = [];
  client.on("status", (s) => told.push(s.status));
  for (const [message, want] of [
    [state("degraded"), ["degraded", "degraded", "degraded"]],
    [state("recovering"), ["recovering", "recovering", "recovering"]],
    [state("degraded", { room: "board" }), ["degraded", "degraded", "recovering"]],
    [state("live"), ["degraded", "degraded", "live"]],
    [state("recovering", { room: "board" }), ["recovering", "recovering", "live"]],
    [state("live", { room: "board" }), ["live", "live", "live"]],
  ]) {
    socket().say(message);
    same(seen(), want, JSON.stringify(message));
  }
  same(told, ["degraded", "recovering", "degraded", "recovering", "live"]);
});

// What joined says of all rooms ends with the news of all rooms, whichever of the two came first.
test("Client.state/as joined tells it", async () => {
  for (const [welcome, joined, messages, want] of [
    ["degraded", "degraded", [state("live")], "live"],
    ["live", "degraded", [state("degraded"), state("live")], "live"],
    ["live", "degraded", [state("degraded", { room: "board" }), state("degraded"), state("live")], "degraded"],
    ["degraded", "recovering", [state("live")], "recovering"],
    ["live", "degraded", [state("live", { room: "board" })], "live"],
  ]) {
    const { client, socket, clock } = open();
    const room = client.join("board", { storage: null });
    await clock.advance(0);
    socket().accept({ state: welcome });
    await socket().joined({ state: joined });
    socket().say(...messages);
    same(room.status, want, JSON.stringify([welcome, joined, messages]));
  }
});

// One status for the page: what the connection is, how the rooms are, and how much is not confirmed.
test("Client.status/tells every change once", async () => {
  const world = open();
  const told = [];
  world.client.on("status", ({ status, unconfirmed }) => told.push([status, unconfirmed]));
  const room = world.client.join("board", { storage: null });
  await world.clock.advance(0);
  world.socket().accept();
  await world.socket().joined();
  room.submit("a");
  world.socket().say(state("degraded"), queued(1));
  room.submit("b");
  world.socket().lose();
  await world.clock.advance(1000);
  world.socket().accept({ state: "recovering" });
  await world.socket().joined({ n: 1, head: at(1), state: "recovering" });
  world.socket().say(op(1, "s1", 1, "a"), op(2, "s1", 2, "b"), state("live"));
  world.client.close();
  same(told, [
    ["joining", 0], ["live", 0], ["live", 1], ["degraded", 1], ["degraded", 2], ["reconnecting", 2],
    ["joining", 2], ["recovering", 2], ["recovering", 1], ["recovering", 0], ["live", 0], ["closed", 0],
  ]);
});
