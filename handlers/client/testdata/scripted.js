/** A server that says exactly what the test tells it to. */
import { connect } from "../client.js";
import { Clock, settle } from "./harness.js";

export const LIMITS = { messageBytes: 65536, pending: 256, presencePerSecond: 60 };

/** A client on fake sockets and fake time. sockets holds every connection it ever opened. */
export function open(options = {}) {
  const sockets = [];
  class FakeSocket {
    readyState = 0;
    sent = [];
    frames = [];

    constructor(url, protocols) {
      Object.assign(this, { url, protocols });
      sockets.push(this);
    }

    send(text) {
      this.frames.push(text);
      this.sent.push(...[JSON.parse(text)].flat());
    }

    close() { this.readyState = 3; }

    /** Everything that arrived since the last take, after what is still on its way. */
    async take(type) {
      await settle();
      const all = this.sent.splice(0);
      return type ? all.filter((m) => m.type === type) : all;
    }

    say(...messages) {
      for (const m of messages) this.onmessage?.({ data: JSON.stringify(m) });
    }

    accept(welcome = {}) {
      this.readyState = 1;
      this.say({
        type: "welcome", protocol: "flow.v1", user: "ada", state: "live", limits: LIMITS,
        heartbeat: 25_000, ...welcome,
      });
    }

    lose(code = 1006) {
      this.readyState = 3;
      this.onclose?.({ code });
    }

    /** Answers the join that the client has sent. */
    async joined(answer = {}) {
      const [join] = await this.take("join");
      if (!join) throw new Error("the client has not joined");
      const { session = "s1", position = join.position ?? at(0) } = answer;
      this.say({
        type: "joined", id: join.id, room: join.room, session, resume: `resume-${session}`, access: "editor",
        resumed: join.position !== undefined, n: 0, position, head: position, state: "live",
        durability: "redis", participants: [], ...answer,
      });
      await settle();
      return join;
    }
  }
  const clock = options.clock ?? new Clock();
  const client = connect({ url: "ws://server/ws", WebSocket: FakeSocket, ...options, clock });
  return { client, clock, sockets, socket: () => sockets.at(-1) };
}

/** A client that has joined a room, and what its application was told, unless it is quiet: it listens to nothing. */
export async function joinedRoom({ answer = {}, join = {}, quiet = false, ...options } = {}) {
  const world = open(options);
  await settle();
  world.socket().accept();
  const room = world.client.join("board", { storage: null, ...join });
  const told = quiet ? {} : listen(room);
  await world.socket().joined(answer);
  return { ...world, room, told };
}

/** Comes back after the connection was lost. */
export async function reconnect(world, answer = {}) {
  world.socket().lose();
  await world.clock.advance(10_000);
  world.socket().accept();
  return world.socket().joined(answer);
}

/** Records what a room tells: an array for each kind of event. */
export function listen(room) {
  const told = {};
  for (const type of ["op", "reset", "presence", "event", "queued", "tentative", "nack", "left",
    "status", "pending", "synced", "error", "snapshot-wanted"]) {
    told[type] = [];
    room.on(type, (value) => told[type].push(value));
  }
  return told;
}

export function at(seq) { return `${seq}:${"0".repeat(12)}${String(seq).padStart(4, "0")}`; }

/** An operation of the log, as the server sends it. */
export function op(seq, session, n, data = `${session}${n}`) {
  const hash = at(seq).split(":")[1];
  return { type: "op", room: "board", seq, hash, session, n, user: "u", time: 0, data };
}

export function nack(n, code, last, more = {}) {
  return { type: "nack", room: "board", n, code, last, message: code, ...more };
}

/** What of the messages is an operation, as [n, data]. */
export function ops(messages) {
  return messages.filter((m) => m.type === "op").map((m) => [m.n, m.data]);
}
