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
          this.say({ type: "welcome", user: "u", state: "live", limits: { pending: 16 }, heartbeat: 25_000 });
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
    const start = from ?? 0;
    socket.say({
      type: "joined", id: m.id, room: m.room, session, resume: session, access: "editor", resumed: from !== undefined,
      n: this.chance(this.faults.noN ?? 0) ? undefined : this.#last(session), position: this.#position(start),
      head: this.#position(this.log.length), participants: [], state: "live", durability: "redis",
    });
    for (let i = start; i < this.log.length; i++) this.#tell(socket, i);
  }

  #op(socket, { room, n, data }) {
    const { session } = socket;
    const last = this.#last(session);
    const refuse = (code, more) => socket.say({ type: "nack", room, n, code, last, message: code, ...more });
    if (n <= last) return refuse("duplicate");
    if (data.bad && (n === last + 1 || this.chance(0.5))) return refuse("rejected");
    if (this.chance(this.faults.unavailable ?? 0)) return refuse("unavailable", { retryAfter: 50 });
    if (n > last + 1) return refuse("gap");
    this.log.push({ session, n, data, hash: String(++this.#ids).padStart(16, "0") });
    for (const member of this.sockets) if (member.session) this.#tell(member, this.log.length - 1);
  }

  #tell(socket, i) {
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
    const { kill = 0, expire = 0, lose = 0 } = this.faults;
    for (const socket of [...this.sockets]) {
      if (!this.chance(kill)) continue;
      if (this.chance(expire)) this.#sessions.delete(socket.session);
      socket.kill();
    }
    if (this.chance(lose)) this.#loseTail();
  }

  /** Redis comes back without its last operations: members are told where the log ends now. */
  #loseTail() {
    const seq = Math.max(0, this.log.length - 1 - Math.floor(this.random() * 5));
    this.log.length = seq;
    for (const socket of this.sockets) {
      if (!socket.session) continue;
      socket.say({ type: "rewind", room: socket.room, position: this.#position(seq), reason: "repair" });
    }
  }

  async run(ms) {
    for (let t = 0; t < ms; t += 10) {
      this.trouble();
      await this.clock.advance(10);
    }
    await settle();
  }
}
