import { codeOf, same, settle, test, truthy } from "./harness.js";
import { joinedRoom, reconnect } from "./scripted.js";

const person = (session, presence = {}) => ({
  session, user: `u-${session}`, profile: { color: "#0f766e" }, presence, joined: 1,
});

/** A room, and a server that answers the next request for a lock. */
async function locking(options) {
  const world = await joinedRoom(options);
  await world.socket().take();
  const answer = async (more = { type: "ok" }) => {
    const [m] = await world.socket().take("lock");
    truthy(m, "a lock is asked for");
    world.socket().say({ id: m.id, room: "board", name: m.name, ttl: m.ttl ?? 9000, message: "no", ...more });
    await settle();
    return m;
  };
  const refuse = (code, retryAfter) => answer({ type: "error", code, retryAfter });
  const take = async (name, options) => {
    const taken = world.room.lock(name, options);
    await answer();
    return taken;
  };
  return { ...world, answer, refuse, take };
}

/** The code with which a lock was lost; "" while it was not. */
async function lostWith(lock) {
  let code = "";
  lock.lost.then((err) => { code = err.code; });
  await settle();
  return code;
}

// A lock renews itself at a third of its time, for as long as it is held; release ends both.
test("Room.lock/renewed until released", async () => {
  const { room, socket, clock, answer } = await locking();
  const taking = room.lock("card", { ttl: 6000 });
  const { id, ...message } = await answer();
  same([typeof id, message], ["string", { type: "lock", name: "card", ttl: 6000, room: "board" }]);
  const lock = await taking;
  same([lock.name, lock.held], ["card", true]);
  await clock.advance(1999);
  same(await socket().take("lock"), []);
  for (let i = 0; i < 10; i++) {
    await clock.advance(i === 0 ? 1 : 2000);
    await answer();
  }
  same([lock.held, await lostWith(lock)], [true, ""]);
  lock.release();
  lock.release();
  same((await socket().take()).map((m) => [m.type, m.name]), [["unlock", "card"]]);
  await clock.advance(10_000);
  same([lock.held, await lostWith(lock), await socket().take("lock")], [false, "", []]);
});

// What another has, and what cannot be had now, is refused with what the server says.
test("Room.lock/refused", async () => {
  const { room, socket, clock, refuse, take } = await locking();
  for (const [code, retryAfter] of [["locked", 4000], ["unavailable", 1000], ["too_large", undefined]]) {
    const taking = room.lock("card").catch((err) => [err.code, err.retryAfter]);
    await refuse(code, retryAfter);
    same(await taking, [code, retryAfter]);
  }
  await clock.advance(20_000);
  same(await socket().take("lock"), [], "nobody asks again by itself");
  truthy((await take("card")).held, "it can be taken later");
});

// Who has a lock and asks for it has it; two that ask at once are one request.
test("Room.lock/the same name twice", async () => {
  const { room, socket, answer } = await locking();
  const asked = [room.lock("card"), room.lock("card")];
  await answer();
  const [a, b] = await Promise.all([...asked]);
  truthy(a === b && a === await room.lock("card"), "one lock");
  same(await socket().take("lock"), []);
  a.release();
  const again = room.lock("card");
  await answer();
  truthy(await again !== a, "after its release it is another");
});

// Without a connection there is no lock, and what was asked for when it broke was not had.
test("Room.lock/without a connection", async () => {
  const world = await locking();
  const asked = world.room.lock("card");
  await world.socket().take();
  world.socket().lose();
  same(await codeOf(asked), "unavailable");
  same(await codeOf(world.room.lock("card")), "unavailable");
});

// After a reconnect it is taken again; somebody who came first has it, and the holder is told.
test("Room.lock/taken again after a reconnect", async () => {
  const world = await locking();
  const lock = await world.take("card");
  await reconnect(world);
  await world.answer();
  same([lock.held, await lostWith(lock)], [true, ""]);
  await reconnect(world);
  await world.refuse("locked", 5000);
  same([lock.held, await lostWith(lock)], [false, "locked"]);
  await world.clock.advance(20_000);
  same(await world.socket().take("lock"), []);
});

// In an outage nobody can take it: it is held for as long as it was granted, and asked for until it is granted anew.
test("Room.lock/through an outage", async () => {
  const { clock, answer, refuse, take } = await locking();
  const lock = await take("card");
  await clock.advance(3000);
  await refuse("unavailable", 2000);
  same(lock.held, true);
  for (let i = 0; i < 4; i++) {
    await clock.advance(2000);
    await refuse("unavailable", 2000);
  }
  same([lock.held, await lostWith(lock)], [false, ""], "nobody knows");
  await clock.advance(2000);
  await answer();
  same(lock.held, true);
});

// A room that is over has no locks.
test("Room.lock/lost with the room", async () => {
  const kicked = await locking();
  const lock = await kicked.take("card");
  kicked.socket().say({ type: "left", room: "board", reason: "kicked" });
  same([lock.held, await lostWith(lock)], [false, "kicked"]);
  const closed = await locking();
  const other = await closed.take("card");
  closed.client.close();
  same([other.held, await lostWith(other)], [false, "closed"]);
  await closed.clock.advance(20_000);
});

// The server that does not know us any more lets us in anew, and the lock waits for that.
test("Room.lock/not_joined", async () => {
  const { socket, clock, answer, refuse, take } = await locking();
  const lock = await take("card");
  await clock.advance(3000);
  await refuse("not_joined");
  await clock.advance(1000);
  await socket().joined();
  await answer();
  same([lock.held, await lostWith(lock)], [true, ""]);
});

// Who has which lock stands in the presence, also our own, whatever we set there ourselves.
test("Room.locks/from presence", async () => {
  const { room, socket } = await joinedRoom({
    answer: { participants: [person("s1"), person("x", { $locks: ["a", "b"] }), person("y", { $locks: null })] },
  });
  const shown = () => [...room.locks].map(([name, p]) => [name, p.session]);
  same(shown(), [["a", "x"], ["b", "x"]]);
  socket().say({ type: "presence", room: "board", update: { x: { $locks: ["b"] }, s1: { $locks: ["a"] } } });
  room.setPresence({ name: "Ada" });
  same(shown(), [["a", "s1"], ["b", "x"]]);
  same([room.presence, room.participants.get("s1").presence], [{ name: "Ada" }, { name: "Ada", $locks: ["a"] }]);
  socket().say({ type: "presence", room: "board", update: { s1: { $locks: null } }, leave: [{ session: "x" }] });
  same(shown(), []);
});
