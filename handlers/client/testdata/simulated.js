/** A server with a real log, delays and faults, all of them drawn from one seed. */
import { connect } from "../client.js";
import { Clock, settle } from "./harness.js";

/** A small random generator that a seed repeats. */
export function generator(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** faults: which may happen, see the methods below. After calm() there are none any more. */
export class Simulation {
  log = []; // {session, n, data, hash}
  journal = []; // {session, n, data}: what waits for the log while it is away
  state = "live";
  sockets = new Set();
  #sessions = new Map(); // id -> the socket that holds it, or null
  #ids = 0;
  #calm = false;

  constructor(seed, faults) {
    this.random = generator(seed);
    this.clock = new Clock(this.random);
    this.faults = faults;
  }

  chance(p) { return !this.#calm && this.random() < p; }

  calm() { this.#calm = true; }

  client(options) {
    const server = this;
    class SimulatedSocket {
      readyState = 0;
      alive = true;
      #arrival = { in: 0, out: 0 };

      constructor() {
        server.sockets.add(this);
        this.#later("out", () => {
          this.readyState = 1;
          const { state } = server;
          this.say({ type: "welcome", user: "u", state, limits: { pending: 16 }, heartbeat: 25_000 });
        });
      }

      send(text) {
        const messages = [JSON.parse(text)].flat();
        this.#later("in", () => { for (const m of messages) server.receive(this, m); });
      }

      say(m) { this.#later("out", () => this.onmessage?.({ data: JSON.stringify(m) })); }

      close() { this.kill(); }

      kill() {
        this.alive = false;
        this.readyState = 3;
        server.sockets.delete(this);
        this.onclose?.({ code: 1006 });
      }

      /** Each direction keeps its order, and takes up to 40 ms. */
      #later(way, run) {
        const at = Math.max(this.#arrival[way], server.clock.now() + server.random() * 40);
        this.#arrival[way] = at;
        server.clock.setTimeout(() => { if (this.alive) run(); }, at - server.clock.now());
      }
    }
    return connect({ url: "ws://server/ws", WebSocket: SimulatedSocket, clock: this.clock, ...options });
  }

  receive(socket, m) {
    if (m.type === "join") return this.#join(socket, m);
    if (m.type === "ping") return socket.say({ type: "pong" });
    if (m.type === "op" && socket.session && this.#sessions.get(socket.session) === socket) {
      return this.#op(socket, m);
    }
  }

  #join(socket, m) {
    if (m.resume && !this.#sessions.has(m.resume)) {
      return socket.say({ type: "error", id: m.id, room: m.room, code: "stale_session", message: "ended" });
    }
    if (this.chance(this.faults.unavailable ?? 0)) {
      return socket.say({ type: "error", id: m.id, code: "unavailable", message: "away", retryAfter: 200 });
    }
    const session = m.resume ?? socket.session ?? `s${++this.#ids}`;
    this.#sessions.set(session, socket);
    Object.assign(socket, { session, room: m.room });
    const from = this.#find(m.position);
    const away = this.state !== "live"; // a position that cannot be judged is believed, for now
    const start = from ?? 0;
    socket.believed = away && m.position !== undefined && from === undefined;
    socket.say({
      type: "joined", id: m.id, room: m.room, session, resume: session, access: "editor",
      resumed: from !== undefined || socket.believed,
      n: away || from !== undefined && this.chance(this.faults.noN ?? 0) ? undefined : this.#last(session),
      position: socket.believed ? m.position : this.#position(start),
      head: socket.believed ? m.position : this.#position(this.log.length),
      participants: [], state: this.state, durability: "redis",
    });
    for (let i = start; i < this.log.length; i++) this.#tell(socket, i);
    for (const op of this.journal) socket.say({ type: "tentative", room: m.room, user: "u", ...op });
  }

  #op(socket, { room, n, data }) {
    const { session } = socket;
    if (this.state !== "live") return this.#hold(socket, { room, n, data });
    const last = this.#last(session);
    const refuse = (code, more) => socket.say({ type: "nack", room, n, code, last, message: code, ...more });
    if (n <= last) return refuse("duplicate");
    if (data.bad && (n === last + 1 || this.chance(0.5))) return refuse("rejected");
    if (this.chance(this.faults.unavailable ?? 0)) return refuse("unavailable", { retryAfter: 50 });
    if (n > last + 1) return refuse("gap");
    this.#append({ session, n, data });
  }

  #append(op) {
    this.log.push({ ...op, hash: String(++this.#ids).padStart(16, "0") });
    for (const member of this.sockets) if (member.session) this.#tell(member, this.log.length - 1);
  }

  /** Without the log nobody knows what a session has in it: what comes first is taken as the next. */
  #hold(socket, { room, n, data }) {
    const { session } = socket;
    const refuse = (code, more) => socket.say({ type: "nack", room, n, code, message: code, ...more });
    if (this.faults.reject) return refuse("unavailable", { last: 0, retryAfter: 100 });
    if (data.bad) return refuse("rejected");
    const held = this.journal.filter((op) => op.session === session);
    if (held.length > 0 && n > held.at(-1).n + 1) return refuse("gap", { last: held.at(-1).n });
    if (held.length > 0 && n < held[0].n) return refuse("unavailable", { last: 0, retryAfter: 100 });
    if (held.length === 0 || n > held.at(-1).n) {
      this.journal.push({ session, n, data });
      this.#toAll({ type: "tentative", session, n, user: "u", data }, socket);
    }
    socket.say({ type: "queued", room, n: this.journal.findLast((op) => op.session === session).n });
  }

  /** The log is away for up to two seconds. It may come back without its end, or the server may die. */
  #outage() {
    this.#become("degraded");
    this.clock.setTimeout(() => {
      if (this.chance(this.faults.crash ?? 0)) {
        this.journal = [];
        for (const socket of [...this.sockets]) socket.kill();
      }
      if (this.chance(this.faults.forget ?? 0)) this.#loseTail();
      this.#become("recovering");
      this.clock.setTimeout(() => this.#replay(), 50);
    }, this.random() * 2000);
  }

  #replay() {
    for (const socket of [...this.sockets].filter((s) => s.believed)) {
      socket.believed = false;
      socket.say({ type: "rewind", room: socket.room, position: this.#position(0), reason: "repair" });
      for (let i = 0; i < this.log.length; i++) this.#tell(socket, i);
    }
    for (const { session, n, data } of this.journal.splice(0)) {
      const last = this.#last(session);
      if (n <= last) continue;
      if (n === last + 1) this.#append({ session, n, data });
      else this.#sessions.get(session)?.say({ type: "nack", room: "board", n, code: "gap", last, message: "gap" });
    }
    this.#become("live");
  }

  #become(state) {
    this.state = state;
    for (const socket of this.sockets) socket.say({ type: "state", state, scope: "instance", since: 0 });
  }

  #toAll(message, but) {
    for (const member of this.sockets) {
      if (member.session && member !== but && !member.believed) member.say({ room: member.room, ...message });
    }
  }

  #tell(socket, i) {
    if (socket.believed) return;
    socket.say({ type: "op", room: socket.room, seq: i + 1, user: "u", time: 0, ...this.log[i] });
  }

  #last(session) { return this.log.reduce((n, op) => (op.session === session ? op.n : n), 0); }

  #position(seq) { return `${seq}:${seq === 0 ? "0".repeat(16) : this.log[seq - 1].hash}`; }

  /** The seq of a position that is in the log. */
  #find(position) {
    if (position === undefined) return undefined;
    const seq = Number.parseInt(position, 10);
    return seq <= this.log.length && this.#position(seq) === position ? seq : undefined;
  }

  /** One moment of bad luck. */
  trouble() {
    const { kill = 0, expire = 0, lose = 0, outage = 0 } = this.faults;
    for (const socket of [...this.sockets]) {
      if (!this.chance(kill)) continue;
      if (this.chance(expire)) this.#sessions.delete(socket.session);
      socket.kill();
    }
    if (this.chance(lose)) this.#loseTail();
    if (this.state === "live" && this.chance(outage)) this.#outage();
  }

  /** Redis comes back without its last operations: members are told where the log ends now. */
  #loseTail() {
    const seq = Math.max(0, this.log.length - 1 - Math.floor(this.random() * 5));
    this.log.length = seq;
    this.#toAll({ type: "rewind", position: this.#position(seq), reason: "repair" });
  }

  async run(ms) {
    for (let t = 0; t < ms; t += 10) {
      this.trouble();
      await this.clock.advance(10);
    }
    await settle();
  }
}
