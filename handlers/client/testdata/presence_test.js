import { same, test, truthy } from "./harness.js";
import { joinedRoom, reconnect } from "./scripted.js";

const person = (session, presence = {}) => ({
  session, user: `u-${session}`, profile: { color: "#0f766e" }, presence, joined: 1,
});

// A hundred moves become few messages, and the last one always arrives.
test("Room.setPresence/throttled, the newest wins", async () => {
  const { room, socket, clock } = await joinedRoom();
  await socket().take();
  for (let x = 0; x < 100; x++) {
    room.setPresence({ x, [`key${x % 2}`]: x });
    await clock.advance(10);
  }
  await clock.advance(100);
  const sent = await socket().take("presence");
  truthy(sent.length >= 20 && sent.length <= 34, `messages in 1.1 seconds, ${sent.length}`);
  const merged = Object.assign({}, ...sent.map((m) => m.data));
  same(merged, { x: 99, key0: 98, key1: 99 });
});

// A server that allows less gets less.
test("Room.setPresence/keeps to limits.presencePerSecond", async () => {
  const { client, room, socket, clock } = await joinedRoom();
  client.limits.presencePerSecond = 5;
  await socket().take();
  for (let x = 0; x < 100; x++) {
    room.setPresence({ x });
    await clock.advance(10);
  }
  await clock.advance(200);
  const sent = await socket().take("presence");
  truthy(sent.length <= 7, `messages in 1.2 seconds, ${sent.length}`);
  same(sent.at(-1).data, { x: 99 });
});

// What was set while there was no connection is in the next join, and not sent once more. A key that
// was removed says so: the session may remember it.
test("Room.setPresence/goes with the join", async () => {
  const world = await joinedRoom({ join: { presence: { name: "Ada", drag: null } } });
  world.socket().lose();
  world.room.setPresence({ cursor: [1, 2] });
  world.room.setPresence({ gone: 1 });
  world.room.setPresence({ gone: null });
  await world.clock.advance(10_000);
  world.socket().accept();
  same((await world.socket().joined()).presence, { drag: null, gone: null, name: "Ada", cursor: [1, 2] });
  await world.clock.advance(1000);
  same(await world.socket().take("presence"), []);
});

// Participants follow join, update and leave; null removes a key; reset starts anew. I5
test("Room.participants/kept up to date", async () => {
  const { room, socket, told } = await joinedRoom({
    answer: { participants: [person("s1"), person("x", { name: "Bob" })] },
  });
  const say = (m) => socket().say({ type: "presence", room: "board", ...m });
  const shown = () => [...room.participants.values()].map((p) => [p.session, p.presence, p.self]);
  same(shown(), [["s1", {}, true], ["x", { name: "Bob" }, false]]);
  say({ update: { x: { cursor: [1, 2], name: null }, unknown: { a: 1 } }, join: [person("y")] });
  same(shown().slice(1), [["x", { cursor: [1, 2] }, false], ["y", {}, false]]);
  say({ leave: [{ session: "x", reason: "left" }] });
  same(shown().map(([session]) => session), ["s1", "y"]);
  say({ reset: true, join: [person("s1"), person("z")] });
  same(shown().map(([session]) => session), ["s1", "z"]);
  truthy(told.presence.at(-1).reset, "told as a reset");
});

// Our own entry shows what we set, not what the server knew a moment ago.
test("Room.participants/ourselves", async () => {
  const { room, socket } = await joinedRoom({ answer: { participants: [person("s1")] } });
  room.setPresence({ x: 2 });
  socket().say({ type: "presence", room: "board", update: { s1: { x: 1 } } });
  same(room.participants.get("s1").presence, { x: 2 });
});

// Keys that mean something to JavaScript are keys like any other.
test("Room.participants/hostile keys", async () => {
  const { room, socket } = await joinedRoom({ answer: { participants: [person("x")] } });
  socket().onmessage({
    data: '{"type":"presence","room":"board","update":{"x":{"__proto__":{"admin":true},"constructor":1}}}',
  });
  const { presence } = room.participants.get("x");
  same([presence.admin, Object.keys(presence).sort(), {}.admin], [undefined, ["__proto__", "constructor"], undefined]);
});

// A change that the server dropped for its rate is sent again, all of it.
test("Room.setPresence/rate_limited", async () => {
  const { room, socket, clock } = await joinedRoom();
  room.setPresence({ a: 1 });
  await clock.advance(50);
  room.setPresence({ b: 2 });
  await clock.advance(50);
  await socket().take();
  socket().say({ type: "error", room: "board", code: "rate_limited", message: "slow down", retryAfter: 400 });
  await clock.advance(399);
  same(await socket().take("presence"), []);
  await clock.advance(1);
  same((await socket().take("presence")).map((m) => m.data), [{ a: 1, b: 2 }]);
});

// After a reconnect the list is the server's, not a mixture. I5
test("Room.participants/after a reconnect", async () => {
  const world = await joinedRoom({ answer: { participants: [person("s1"), person("x")] } });
  await reconnect(world, { participants: [person("s1"), person("y")] });
  same([...world.room.participants.keys()], ["s1", "y"]);
});
