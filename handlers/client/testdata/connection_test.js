import { Clock, same, settle, test, truthy } from "./harness.js";
import { joinedRoom, nack, open, ops } from "./scripted.js";

/** How long the client waits before it opens the next socket. */
async function waits({ clock, sockets }) {
  const before = sockets.length;
  for (let ms = 0; ms <= 60_000; ms += 5) {
    await clock.advance(ms === 0 ? 0 : 5);
    if (sockets.length > before) return ms;
  }
  return Infinity;
}

// Reconnecting slows down to ten seconds, half of it at random, and starts over after a good time.
test("Client.reconnect/back-off with jitter", async () => {
  const world = await joinedRoom();
  await world.clock.advance(6000);
  world.socket().lose();
  const delays = [];
  for (let i = 0; i < 8; i++) {
    delays.push(await waits(world));
    if (i === 7) world.clock.random = () => 1;
    world.socket().lose();
  }
  same(delays, [125, 250, 500, 1000, 2000, 4000, 5000, 5000]);
  same(await waits(world), 10_000);
  world.clock.random = () => 0;
  world.socket().accept();
  await world.clock.advance(6000);
  world.socket().lose();
  same(await waits(world), 125);
});

// The server's delay is honoured, so that a restart is not followed by a storm.
test("Client.bye/reconnect says how long to wait", async () => {
  const world = await joinedRoom();
  world.socket().say({ type: "bye", code: "shutdown", reconnect: 2500 });
  same([world.client.status, world.sockets[0].readyState], ["reconnecting", 3]);
  same(await waits(world), 2500);
  world.socket().accept();
  world.socket().say({ type: "bye", code: "token_expired", reconnect: 0 });
  same(world.client.status, "closed"); // no getToken: the same token would be refused for ever
});

for (const [code, bye] of [
  [4100, "unauthenticated"], [4102, "kicked"], [4103, "forbidden"], [4104, "protocol"], [4105, "replaced"],
]) {
  // After these nobody comes back, whether the bye arrived or only the close code.
  test(`Client.bye/${bye} ends it`, async () => {
    for (const end of [
      (s) => s.say({ type: "bye", code: bye, reconnect: false }), (s) => s.lose(code),
    ]) {
      const world = await joinedRoom();
      const op = world.room.submit("a");
      end(world.socket());
      same([world.client.status, world.client.reason, world.room.status], ["closed", bye, "closed"]);
      same(await waits(world), Infinity);
      same(await op.confirmed.catch((err) => err.code), bye);
    }
  });
}

for (const code of [1001, 1006, 1009, 1012, 4001, 4002, 4003, 4101, 4106]) {
  // Every other end is followed by a new try.
  test(`Client.reconnect/after close ${code}`, async () => {
    const world = await joinedRoom();
    world.socket().lose(code);
    truthy(await waits(world) < 1000, "the client comes back");
  });
}

// A silent connection is pinged, and given up when it stays silent. Any message is a sign of life.
test("Client.heartbeat/silence", async () => {
  const world = await joinedRoom();
  await world.socket().take();
  await world.clock.advance(24_000);
  world.socket().say({ type: "pong" });
  await world.clock.advance(24_999);
  same(await world.socket().take(), []);
  await world.clock.advance(1);
  same(await world.socket().take(), [{ type: "ping" }]);
  world.socket().say({ type: "pong" });
  await world.clock.advance(25_000);
  same([await world.socket().take(), world.sockets.length], [[{ type: "ping" }], 1]);
  await world.clock.advance(15_200);
  same(world.sockets.length, 2);
});

// A server that accepts and says nothing is given up as well.
test("Client.open/no welcome", async () => {
  const world = open();
  await settle();
  world.socket().readyState = 1;
  await world.clock.advance(10_200);
  same([world.sockets.length, world.client.status], [2, "reconnecting"]);
});

// The network coming back is not waited for, and a connection that slept is tested at once.
test("Client.online/tries at once", async () => {
  const world = await joinedRoom();
  for (let i = 0; i < 6; i++) {
    world.socket().lose();
    await waits(world);
  }
  world.socket().lose();
  const before = world.sockets.length;
  globalThis.dispatchEvent(new Event("online"));
  await world.clock.advance(0);
  same(world.sockets.length, before + 1);
  world.socket().accept();
  await world.socket().take();
  globalThis.dispatchEvent(new Event("offline"));
  same(await world.socket().take(), [{ type: "ping" }]);
  await world.clock.advance(5300);
  same(world.sockets.length, before + 2);
  world.client.close();
  globalThis.dispatchEvent(new Event("online"));
  await world.clock.advance(60_000);
  same([world.sockets.length, world.client.status], [before + 2, "closed"]);
});

// A page that is kept for going back lets go of its connection, and takes it up when it is shown again.
test("Client.pagehide/lets go", async () => {
  const world = await joinedRoom();
  globalThis.dispatchEvent(new Event("pagehide"));
  same([world.sockets[0].readyState, world.room.status], [3, "reconnecting"]);
  same(await waits(world), Infinity);
  globalThis.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
  await world.clock.advance(0);
  world.socket().accept();
  await world.socket().joined();
  same(world.room.status, "live");
  world.client.close();
});

// One turn of the event loop goes out as one frame, within 256 messages and messageBytes.
test("Client.send/batches", async () => {
  const { room, socket } = await joinedRoom({ answer: {} });
  await socket().take();
  socket().frames.length = 0;
  for (let i = 0; i < 200; i++) room.send("e", i);
  for (let i = 0; i < 200; i++) room.send("é".repeat(500), i);
  await settle();
  const sizes = socket().frames.map((f) => [JSON.parse(f).length, new TextEncoder().encode(f).length]);
  same(sizes.reduce((sum, [n]) => sum + n, 0), 400);
  truthy(sizes.every(([n, bytes]) => n <= 256 && bytes <= 65536), `frames ${JSON.stringify(sizes)}`);
  truthy(sizes.length <= 6, `few frames, ${sizes.length}`);
  same(socket().sent.map((m) => m.data), [...Array(200).keys(), ...Array(200).keys()]);
});

// What is not a message harms nothing; an unknown type is ignored.
test("Client.receive/strange messages", async () => {
  const { client, socket } = await joinedRoom();
  socket().say(null, 5, "x", [null, [], 7], { type: "new-in-v1.7" }, { type: "op", room: "unknown" });
  same(client.status, "live");
});

// A token goes into the handshake, where it also works beside anonymous users.
test("Client.token/as a sub-protocol", async () => {
  const world = open({ token: "a.b-c_d~e" });
  await settle();
  same(world.socket().protocols, ["flow.v1", "flow.bearer.a.b-c_d~e"]);
  world.socket().accept();
  same([world.client.status, world.client.user], ["live", "ada"]);
});

// A refused handshake says nothing; the next try asks with a message, whose answer says why.
test("Client.token/refused", async () => {
  const world = open({ token: "bad" });
  await settle();
  world.socket().lose();
  await world.clock.advance(1000);
  same(world.socket().protocols, ["flow.v1"]);
  world.socket().accept({ user: null });
  const [auth] = await world.socket().take();
  same([auth.type, auth.token], ["auth", "bad"]);
  world.socket().say({ type: "error", id: auth.id, code: "unauthenticated", message: "no" });
  same([world.client.status, world.client.reason], ["closed", "unauthenticated"]);
});

// A server that has no place for the user now is asked again, not before it said.
test("Client.token/no place now", async () => {
  const world = open({ token: "good" });
  const room = world.client.join("board", { storage: null });
  await settle();
  world.socket().lose();
  await world.clock.advance(1000);
  world.socket().accept({ user: null });
  const [auth] = await world.socket().take("auth");
  world.socket().say({ type: "error", id: auth.id, code: "rate_limited", message: "later", retryAfter: 5000 });
  same([world.client.status, world.sockets.length], ["reconnecting", 2]);
  await world.clock.advance(4999);
  same(world.sockets.length, 2);
  await world.clock.advance(1000);
  same(world.sockets.length, 3);
  world.socket().accept({ user: null });
  const [again] = await world.socket().take("auth");
  world.socket().say({ type: "ok", id: again.id, user: "ada" });
  await world.socket().joined();
  same(room.status, "live");
});

// A server that was only away is found again, and an anonymous welcome is not taken for ours.
test("Client.token/after an outage of a server with anonymous users", async () => {
  const world = open({ token: "good" });
  const room = world.client.join("board", { storage: null });
  await settle();
  world.socket().lose();
  await world.clock.advance(1000);
  world.socket().accept({ user: "anonymous-1" });
  same(await world.sockets[1].take("join"), []);
  await world.clock.advance(1000);
  same(world.socket().protocols, ["flow.v1", "flow.bearer.good"]);
  world.socket().accept();
  await world.socket().joined();
  same(room.status, "live");
});

// A token that ends is renewed on the live socket; an expired one leads to a new try with a new one.
test("Client.getToken/renews", async () => {
  let asked = 0;
  const clock = new Clock();
  const world = open({ clock, getToken: async () => `t${++asked}` });
  await settle();
  world.socket().accept({ expires: clock.now() + 300_000 });
  for (let s = 0; s < 269; s++) {
    world.socket().say({ type: "pong" });
    await clock.advance(1000);
  }
  same(await world.socket().take("auth"), []);
  await clock.advance(1000);
  const [auth] = await world.socket().take("auth");
  same(auth.token, "t2");
  world.socket().say({ type: "ok", id: auth.id, user: "ada", expires: clock.now() + 300_000 });
  same([world.sockets.length, world.client.status], [1, "live"]);
  world.socket().say({ type: "bye", code: "token_expired", reconnect: 0 });
  await clock.advance(0);
  same([world.sockets.length, world.socket().protocols.at(-1)], [2, "flow.bearer.t3"]);
});

// An application that cannot get a token now is asked again later.
test("Client.getToken/fails", async () => {
  let asked = 0;
  const world = open({ getToken: async () => { if (asked++ === 0) throw new Error("offline"); return "t"; } });
  await world.clock.advance(1000);
  same([asked, world.socket().protocols.at(-1)], [2, "flow.bearer.t"]);
});

// Without any credentials, where they are needed, waiting for the time-out helps nobody.
test("Client.open/nobody", async () => {
  const world = open();
  await settle();
  world.socket().accept({ user: null });
  same([world.client.status, world.client.reason], ["closed", "unauthenticated"]);
});

// A window of nacks must not outlive the connection that it came on.
test("Client.reconnect/ends a wait for retryAfter", async () => {
  const world = await joinedRoom();
  world.room.submit("a");
  await world.socket().take();
  world.socket().say(nack(1, "unavailable", 0, { retryAfter: 60_000 }));
  world.socket().lose();
  await world.clock.advance(1000);
  world.socket().accept();
  await world.socket().joined();
  same(ops(await world.socket().take()), [[1, "a"]]);
});
