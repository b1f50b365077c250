/**
 * The browser client of flow.v1: an ES module without dependencies.
 *
 *   import { connect, mergePatch } from "/collab/client.js";
 *   const room = connect().join("my-board", { reduce: mergePatch });
 *   room.on("change", () => draw(room.optimistic)); // or room.state, which is confirmed
 *   room.submit({ title: "Hello" });
 *   const lock = await room.lock("title"); // rejected with the code "locked" while another has it
 *
 * Types and the meaning of every option, method and event stand in client.d.ts.
 * It hides reconnecting, resuming, resending and throttling. What operations mean only the reducer knows;
 * without one the application keeps a state by the events reset and op, under room.tentative and room.pending.
 */

const KEPT = 128; // confirmed operations of our own, in case the server's log loses them
const AUTHORS = 1000; // whose newest operation is remembered
const BATCH = 256; // messages in an array
/** Codes that refuse an operation for good. */
const REFUSED = new Set(["rejected", "too_large", "forbidden", "invalid_message"]);
/** Codes of a refused join that pass by themselves. */
const PASSING = new Set(["unavailable", "internal", "rate_limited", "room_full", "too_many_rooms"]);
/** Close codes after which nobody should come back, for a close whose bye was lost. */
const FINAL = { 4100: "unauthenticated", 4102: "kicked", 4103: "forbidden", 4104: "protocol", 4105: "replaced" };
/** Events of a room with which its state may be another one. */
const CHANGES = new Set(["reset", "op", "pending", "tentative", "nack", "left"]);
const STATES = ["live", "recovering", "joining", "degraded"]; // while there is a connection, from good to bad
const DEPTH = 512; // what encloses a value, as the server takes it
const ENCODER = new TextEncoder();
const SYSTEM_CLOCK = {
  now: Date.now, random: Math.random, setTimeout: (f, ms) => setTimeout(f, ms), clearTimeout: (id) => clearTimeout(id),
};

/** Opens a connection that keeps itself alive until close() is called or the server refuses for good. */
export function connect(options = {}) { return new Client(options); }

/** What the server, or this client in its place, refused. */
export class FlowError extends Error {
  constructor(code, message = code, retryAfter = undefined) {
    super(message);
    Object.assign(this, { name: "FlowError", code, retryAfter });
  }
}

/**
 * Applies a JSON merge patch (RFC 7396). It changes neither argument, and shares what it does not touch. Objects
 * that it makes have no prototype: every key is one like any other. Throws for what is nested too deep.
 */
export function mergePatch(target, patch) { return patched(target, patch, 0); }

function patched(target, patch, depth) {
  if (depth > DEPTH) throw new RangeError(`a patch may be nested ${DEPTH} deep, not deeper`);
  if (Array.isArray(patch)) for (const value of patch) patched(null, value, depth + 1); // for the depth alone
  if (!isObject(patch)) return patch;
  const merged = { __proto__: null, ...(isObject(target) ? target : null) };
  for (const key of Object.keys(patch)) {
    const value = patched(merged[key], patch[key], depth + 1);
    if (value === null) delete merged[key]; else merged[key] = value;
  }
  return merged;
}

class Emitter {
  #listeners = new Map();

  /** Calls f on every event of the type; returns a function that stops that. */
  on(type, f) {
    if (!this.#listeners.has(type)) this.#listeners.set(type, new Set());
    this.#listeners.get(type).add(f);
    return () => this.#listeners.get(type).delete(f);
  }

  _hears(type) { return this.#listeners.get(type)?.size > 0; }

  /** A listener that throws harms neither the others nor the protocol. */
  _emit(type, value) {
    for (const f of [...(this.#listeners.get(type) ?? [])]) {
      try { f(value); } catch (err) { queueMicrotask(() => { throw err; }); }
    }
  }
}

/** One connection: the way to the server, who we are, and the rooms on it. Made by connect(). */
export class Client extends Emitter {
  limits = { messageBytes: 65536, pending: 256 };
  user = null;
  _state = "live"; // what the server says of all rooms
  #options; #clock; #url; #browser = []; #rooms = new Map(); #requests = new Map(); #ids = 0;
  #link = null; #ready = false; #closed = ""; #told = ""; #bye = null;
  #attempt = 0; #opening = 0; #opened = 0; #lostOnce = false; #retry; #renewal;
  #token = ""; #offered = false; #authByMessage = false;

  constructor(options) {
    super();
    this.#options = options;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    const base = options.url ? globalThis.location?.href : import.meta.url;
    this.#url = new URL(options.url ?? "ws", base).href.replace(/^http/, "ws");
    this.#watchBrowser();
    this.#open();
  }

  get status() { return this._outside || this.#all.reduce((bad, room) => worse(bad, room.status), this._state); }
  get unconfirmed() { return this.#all.reduce((sum, room) => sum + room._unconfirmed, 0); }
  get reason() { return this.#closed; }
  get #all() { return [...this.#rooms.values()]; }

  join(id, options = {}) {
    if (this.#rooms.has(id)) return this.#rooms.get(id);
    const { storage = attempt(() => globalThis.sessionStorage) } = options; // the user may have switched it off
    const room = new Room(this, this.#clock, id, options, new TabMemory(storage, `flow ${this.#url} ${id}`));
    this.#rooms.set(id, room);
    if (this.#ready) room._join();
    this._report();
    return room;
  }

  close() { this.#finish("closed"); }

  /** What there is in place of a working connection, "" if there is one. */
  get _outside() {
    if (this.#closed) return "closed";
    if (this.#ready) return "";
    if (globalThis.navigator?.onLine === false) return "offline";
    return this.#lostOnce ? "reconnecting" : "connecting";
  }

  _send(message) {
    if (this.#ready) this.#link.send(typeof message === "string" ? message : JSON.stringify(message));
    return this.#ready;
  }

  /** Sends a message with an id; done is called once: with its answer, or without when the link ends. */
  _request(message, done) {
    const id = String(++this.#ids);
    this.#requests.set(id, done);
    this.#link.send(JSON.stringify({ ...message, id }));
    return id;
  }

  _remove(room) { this.#rooms.delete(room.id); }
  _fits(text) { return byteLength(text) <= this.limits.messageBytes; }

  /** Tells what has changed of the status, ours and the rooms'. */
  _report() {
    for (const room of this.#all) room._report();
    const { status, unconfirmed } = this;
    if (this.#told === `${status} ${unconfirmed}`) return;
    this.#told = `${status} ${unconfirmed}`;
    this._emit("status", { status, reason: this.#closed, unconfirmed });
  }

  async #open() {
    const attempt = ++this.#ids;
    this.#opening = attempt;
    this._report();
    const token = await this.#newToken();
    if (this.#opening !== attempt) return;
    if (token === undefined) return this.#lost(1006);
    this.#token = token;
    // In the handshake a token also works where anonymous users are welcome; a refusal is only told in
    // the answer to a message. So the two take turns while connecting fails.
    this.#offered = !this.#authByMessage && /^[\w.~-]+$/.test(token);
    const protocols = this.#offered ? ["flow.v1", `flow.bearer.${token}`] : ["flow.v1"];
    this.#link = new Link(this.#options.WebSocket ?? WebSocket, this.#clock, this.#url, protocols, {
      message: (m) => this.#receive(m),
      end: (code) => this.#lost(code),
    });
  }

  /** The token to show, "" for none, undefined when the application could not tell now. */
  async #newToken() {
    try { return (await this.#options.getToken?.()) ?? this.#options.token ?? ""; } catch (err) {
      this._emit("error", err);
      return undefined;
    }
  }

  #receive(m) {
    if (m.id !== undefined && this.#requests.has(m.id)) {
      const done = this.#requests.get(m.id);
      this.#requests.delete(m.id);
      return done(m);
    }
    if (m.type === "welcome") return this.#welcome(m);
    if (m.type === "bye") { this.#bye = m; return this.#link.end(1000); }
    if (m.room !== undefined) return this.#rooms.get(m.room)?._receive(m);
    if (m.type === "state") return this.#onState(m.state);
    if (m.type === "event") return this._emit("event", m);
    if (m.type === "error") return this._emit("error", errorOf(m));
  }

  #welcome(m) {
    this.limits = { ...this.limits, ...m.limits };
    this.#link.configure(this.limits.messageBytes, m.heartbeat);
    this.#opened = this.#clock.now();
    this._state = m.state ?? "live";
    if (m.user && this.#token && !this.#offered) {
      // The server took us for somebody else (anonymous), and does not let a socket change its user.
      this.#authByMessage = false;
      this.#attempt = 0;
      return this.#link.end(1000);
    }
    if (m.user) return this.#enter(m.user, m.expires);
    if (!this.#token) return this.#finish("unauthenticated");
    this.#authenticate(this.#token);
  }

  #authenticate(token) {
    this._request({ type: "auth", token }, (m) => {
      if (!m) return;
      if (m.type === "ok") return this.#enter(m.user, m.expires);
      const err = errorOf(m);
      this._emit("error", err);
      if (err.code === "token_expired" && this.#options.getToken) return this.#link.end(4101);
      if (this.#ready) return;
      if (!PASSING.has(err.code)) return this.#finish(err.code);
      this.#bye = { reconnect: err.retryAfter ?? 1000 };
      this.#link.end(1000);
    });
  }

  #enter(user, expires) {
    this.user = user;
    this.#renewBefore(expires);
    if (this.#ready) return;
    this.#ready = true;
    for (const room of this.#all) room._join();
    this._report();
  }

  /** Asks for a new token half a minute before the old one ends, so that nobody notices. */
  #renewBefore(expires) {
    this.#clock.clearTimeout(this.#renewal);
    if (!expires || !this.#options.getToken) return;
    const rest = expires - this.#clock.now();
    const link = this.#link;
    this.#renewal = this.#clock.setTimeout(async () => {
      const token = await this.#newToken(); // without one, bye token_expired leads to a new attempt
      if (token && this.#ready && link === this.#link) this.#authenticate(token);
    }, Math.max(rest - 30_000, rest / 2));
  }

  #onState(state) {
    this._state = state;
    for (const room of this.#all) room._onServerState(state);
    this._report();
  }

  #lost(code) {
    const bye = this.#bye;
    const lasted = this.#opened > 0 && this.#clock.now() - this.#opened > 5000;
    this.#detach();
    const hopeless = bye?.code === "token_expired" && !this.#options.getToken;
    if (bye ? bye.reconnect === false || hopeless : code in FINAL) return this.#finish(bye?.code ?? FINAL[code]);
    if (this.#opened === 0 && this.#token) this.#authByMessage = !this.#authByMessage;
    this.#attempt = lasted ? 0 : this.#attempt;
    this.#reconnectIn(Math.max(bye?.reconnect ?? 0, bye && this.#attempt === 0 ? 0 : this.#backoff()));
    this.#attempt++;
    this.#opened = 0;
    this._report();
  }

  #detach() {
    this.#link?.discard();
    this.#link = this.#bye = null;
    this.#ready = false;
    this.#lostOnce = true;
    this.#opening = 0;
    for (const timer of [this.#retry, this.#renewal]) this.#clock.clearTimeout(timer);
    for (const room of this.#all) room._stop();
    const unanswered = [...this.#requests.values()];
    this.#requests.clear();
    for (const done of unanswered) done();
  }

  /** Half fixed, half random, doubling up to ten seconds: many clients must not come back at once. */
  #backoff() { return Math.min(10_000, 250 * 2 ** this.#attempt) * (0.5 + this.#clock.random() / 2); }

  #reconnectIn(ms) {
    this.#clock.clearTimeout(this.#retry);
    this.#retry = this.#clock.setTimeout(() => this.#open(), ms);
  }

  #finish(reason) {
    if (this.#closed) return;
    this.#closed = reason;
    for (const [target, type, f] of this.#browser) target.removeEventListener(type, f);
    this.#detach();
    for (const room of this.#all) room._closed(reason);
    this._report();
  }

  /** The network coming back, or a page waking up, is the moment to look. */
  #watchBrowser() {
    if (!globalThis.addEventListener) return;
    const look = () => {
      this._report();
      if (this.#link) return this.#link.probe(5000);
      this.#attempt = 0;
      this.#reconnectIn(0);
    };
    const hide = () => {
      for (const room of this.#all) room._suspend();
      this.#detach(); // a page that is kept for going back must not look as if somebody sat before it
      this._report();
    };
    this.#browser = [
      [globalThis, "online", look],
      [globalThis, "offline", () => { this._report(); this.#link?.probe(5000); }],
      [globalThis, "pagehide", hide],
      [globalThis, "pageshow", (e) => { if (e.persisted) look(); }],
      [globalThis.document, "visibilitychange", () => { if (!document.hidden) look(); }],
    ].filter(([target]) => target);
    for (const [target, type, f] of this.#browser) target.addEventListener(type, f);
  }
}

/** One WebSocket: messages out in batches, messages in one by one, and a watch over its life. */
class Link {
  #socket; #clock; #to; #out = []; #max = 65536; #heartbeat = 25_000; #watch; #over = false;

  constructor(WebSocket, clock, url, protocols, to) {
    this.#clock = clock;
    this.#to = to;
    this.#socket = new WebSocket(url, protocols);
    this.#socket.onmessage = (e) => this.#message(e.data);
    this.#socket.onclose = (e) => this.end(e.code);
    this.#after(10_000, () => this.end(1006)); // the handshake and welcome
  }

  configure(messageBytes, heartbeat) {
    this.#max = messageBytes;
    this.#heartbeat = heartbeat || this.#heartbeat;
    this.#heard();
  }

  /** Sends a message soon, together with what else is sent in this turn of the event loop. */
  send(text) { if (this.#out.push(text) === 1) queueMicrotask(() => this.#flush()); }

  /** Expects a sign of life within ms. */
  probe(ms) {
    if (this.#socket.readyState !== 1) return;
    this.send('{"type":"ping"}');
    this.#after(ms, () => this.end(1006));
  }

  /** Closes and tells so, once. It does not wait for a peer that may not be there any more. */
  end(code) {
    if (this.#over) return;
    this.discard();
    this.#to.end(code);
  }

  /** Closes and tells nobody. */
  discard() {
    this.#flush();
    this.#over = true;
    this.#clock.clearTimeout(this.#watch);
    this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
  }

  #flush() {
    const out = this.#out;
    this.#out = [];
    if (this.#over || this.#socket.readyState !== 1) return;
    for (let i = 0; i < out.length;) {
      const first = i;
      for (let size = 1; i < out.length && i - first < BATCH; i++) {
        size += byteLength(out[i]) + 1;
        if (i > first && size > this.#max) break;
      }
      const batch = out.slice(first, i);
      this.#socket.send(batch.length === 1 ? batch[0] : `[${batch.join()}]`);
    }
  }

  #message(text) {
    this.#heard();
    const messages = attempt(() => JSON.parse(text));
    if (messages === undefined) return this.end(1007);
    for (const m of Array.isArray(messages) ? messages : [messages]) {
      if (!this.#over && m !== null && typeof m === "object") this.#to.message(m);
    }
  }

  /** Silence is answered with a ping, silence after the ping with the end. */
  #heard() { this.#after(this.#heartbeat, () => this.probe(15_000)); }
  #after(ms, run) {
    this.#clock.clearTimeout(this.#watch);
    this.#watch = this.#clock.setTimeout(run, ms);
  }
}

/**
 * Our own operations: their numbers, which are confirmed, what to send next. It decides and never
 * sends, so every rule of resending stands here and nowhere else.
 */
class Outbox {
  session = ""; // under which pending is numbered; "" before the first joined
  last = 0; // our newest operation that is in the log
  pending = []; // those behind it: pending[i].n === last + 1 + i
  #kept = []; // our newest confirmed ones
  #sent = 0; // how many of pending the server was given since the last turn back
  #flight = []; // what was sent and not answered; stale, if it was taken back to be sent again
  #held = false; // whether the server may hold some of them, by numbers that they had once
  #wasHeld = true; // the same of an earlier connection, or of a page that we do not know
  #mixed = false; // whether our numbers are not those of the log

  add(op) {
    op.n = this.last + this.pending.push(op);
    return op;
  }

  /** The next operation to send, as long as fewer than window are on their way. */
  next(window) {
    if (this.#sent >= Math.min(window, this.pending.length)) return undefined;
    const op = this.pending[this.#sent++];
    op.sent[this.session] = op.n;
    this.#flight.push({ op, n: op.n, stale: false });
    return op;
  }

  /**
   * A stream begins. n is our last operation in the log, undefined when the server cannot tell. A log that is
   * new lost what was confirmed under another session, unless it is seen there. Returns false when the log lost
   * operations that are not held any more.
   */
  begin(session, n, isNew) {
    this.#flight = [];
    this.#wasHeld = session === this.session && (this.#wasHeld || this.#held);
    this.#held = n === undefined;
    for (const op of this.pending) op.queued = false; // by whom we were connected to before
    if (session !== this.session) {
      if (isNew) this.#reopen(0);
      Object.assign(this, { session, last: n ?? 0 });
      this.#kept = [];
      this.#renumber();
    } else if (n < this.last) {
      return this.#takeBack(n);
    }
    this.turnBack(n ?? 0);
    return true;
  }

  /** Gives the session up. What the log lost after n, and is still held, is sent again with the rest. */
  abandon(n) {
    this.#reopen(n);
    this.session = "";
  }

  /** Whether an operation may be in the log already, under a session that we gave up, or another number. */
  get unsure() {
    return this.#mixed || this.pending.some((op) => Object.keys(op.sent).some((s) => s !== this.session));
  }

  /** The whole log was seen. */
  makeSure() {
    const { session } = this;
    this.#mixed = false;
    for (const op of this.pending) op.sent = session in op.sent ? { [session]: op.sent[session] } : {};
  }

  /** An operation of the log. Returns those of ours that are confirmed by it. */
  confirm({ session, n, seq, data }) {
    if (session !== this.session) return this.#confirmFormer(session, n, seq);
    if (n <= this.last) {
      for (const op of this.#kept) if (op.n === n) op.seq = seq;
      return [];
    }
    const done = this.settle(n - 1, seq); // before n in the log, seen or not: the stream started after them
    const i = this.#find(session, n, JSON.stringify(data));
    if (i >= 0) this.pending.unshift(Object.assign(this.pending.splice(i, 1)[0], { n, seq }));
    if (i >= 0) done.push(...this.settle(n, seq));
    if (i === 0) return done;
    this.#mixed = true; // or another page wrote it with our session: the others come behind it
    this.last = n;
    this.#renumber();
    this.turnBack(n);
    return done;
  }

  /**
   * Which of pending the log has as n: the one of that number, with other data if the application put some in its
   * place. Where a server held ours, numbers are unsure: then the same data tells, and an older one is none of them.
   */
  #find(session, n, text) {
    const byNumber = this.pending.findIndex(({ sent }) => sent[session] === n);
    if (byNumber >= 0 && !this.#held && !this.#wasHeld) return byNumber;
    const byText = this.pending.findIndex((op) => op.text === text && (op.n === n || session in op.sent));
    if (byText >= 0 || (this.#held && this.#kept.some((op) => op.text === text))) return byText;
    return byNumber;
  }

  #confirmFormer(session, n, seq) {
    const op = this.pending.find(({ sent }) => sent[session] === n);
    if (!op) return [];
    op.seq = seq;
    this.drop(op);
    return [op];
  }

  /** Everything of ours up to n is in the log, not behind the seq. Returns what was pending of it. */
  settle(n, seq) {
    const done = this.pending.splice(0, Math.max(0, n - this.last));
    for (const op of done) op.bound = seq;
    this.last = Math.max(this.last, n);
    this.#sent = Math.max(0, this.#sent - done.length);
    this.#flight = this.#flight.filter((f) => !done.includes(f.op));
    this.#kept = [...this.#kept, ...done].slice(-KEPT);
    return done;
  }

  /** All of ours up to n wait on the server. */
  queued(n) {
    this.#held = true;
    for (const op of this.pending) if (op.n <= n) op.queued = true;
  }

  /**
   * What a nack of n is about: numbers change while answers are on their way. These come in the order in which
   * we sent, but to what the server holds at any time: then op is missing if two had the number. What was sent
   * twice may be answered once: the answer is stale only if none to a later sending can come.
   */
  answered(n) {
    const sent = this.#flight.filter((f) => f.n === n);
    if (!this.#held) this.#flight = this.#flight.filter((f) => f !== sent[0]);
    const sure = !this.#held || sent.every((f) => f.op === sent[0].op);
    return { op: sure ? sent[0]?.op : undefined, stale: sent.length > 0 && sent.every((f) => f.stale) };
  }

  /** Removes an operation that was refused for good, or is in the log otherwise; those behind it move up. */
  drop(op) {
    const i = this.pending.indexOf(op);
    if (i < 0) return false;
    this.pending.splice(i, 1);
    this.#renumber();
    this.turnBack(Math.min(this.last + i, this.last + this.#sent));
    return true;
  }

  /** Sends again from n + 1 on. */
  turnBack(n) {
    this.#sent = Math.min(Math.max(0, n - this.last), this.pending.length);
    for (const f of this.#flight) f.stale ||= f.op.n > this.last + this.#sent;
  }

  /** What stands after seq in the log is void, and what may stand there: none from it on is known to be before. */
  rewind(seq) {
    const first = this.#kept[this.#kept.findLastIndex((op) => (op.seq ?? op.bound) <= seq) + 1];
    if (first) this.#takeBack(first.n - 1);
  }

  #takeBack(n) {
    if (this.#kept.filter((op) => op.n > n).length !== this.last - n) return false;
    this.#reopen(n);
    this.last = n;
    this.turnBack(n);
    return true;
  }

  /** What was confirmed behind n waits once more, in front of what is pending. */
  #reopen(n) {
    const ops = this.#kept.filter((op) => op.n > n);
    for (const op of ops) Object.assign(op, { seq: undefined, queued: false });
    this.#kept = this.#kept.filter((op) => op.n <= n);
    this.pending.unshift(...ops);
  }

  #renumber() { this.pending.forEach((op, i) => { op.n = this.last + 1 + i; }); }
}

/** One room on a client. Made by client.join(). */
export class Room extends Emitter {
  session = ""; access = "none"; durability = "";
  position = null; // after the newest operation that was handed to the application
  synced = false; // whether everything was received that was in the log at the last join
  participants = new Map();
  tentative = []; // operations of others that have no place in the log yet
  state; // what the reducer made of the snapshot and the confirmed operations
  #client; #clock; #memory; #presence; #outbox = new Outbox(); #handlers;
  #resume = ""; #join = ""; #joined = false; #joinedAt = -Infinity; #ended = ""; #told = "";
  #state = "live"; #ahead = ""; #head = 0; #inLog; #claimed = 0; #void = Infinity; #seen = new Map();
  #window = 256; #gaps = 0; #hold; #retry; #late;
  #reduce; #shown = null; #changing = false; #wanted = Infinity; #locks = new Map();

  constructor(client, clock, id, options, memory) {
    super();
    this.id = id;
    this.#reduce = options.reduce;
    this.#client = client;
    this.#clock = clock;
    this.#memory = memory;
    this.#presence = new Presence(clock, options.presence ?? {}, {
      send: (data) => this.#joined && client._send({ type: "presence", room: id, data }),
      // Thirty times a second is smooth, and half of what the server allows by default.
      pause: () => Math.max(33, 1000 / (client.limits.presencePerSecond ?? 60)),
    });
    this.#handlers = {
      op: this.#onOp, nack: this.#onNack, queued: this.#onQueued, tentative: this.#onTentative,
      rewind: this.#onRewind, left: this.#onLeft, presence: this.#onPresence, error: this.#onError,
      state: this.#onState, event: (m) => this._emit("event", m),
      "snapshot-wanted": this.#onSnapshotWanted,
    };
    this.#restore(memory.load());
  }

  get status() {
    if (this.#ended) return "left";
    return this.#client._outside || worse(this.#client._state, this.#joined ? this.#state : "joining");
  }
  get reason() { return this.#ended; }
  get pending() { return [...this.#outbox.pending]; }
  get presence() { return { ...this.#presence.data }; }

  get optimistic() {
    if (!this.#reduce) return undefined;
    const waiting = () => [...this.tentative, ...this.#outbox.pending];
    const apply = (state, { data }) => attempt(() => this.#reduce(state, data), state);
    this.#shown ??= { state: waiting().reduce(apply, this.state) };
    return this.#shown.state;
  }

  get locks() {
    const all = [...this.participants.values()];
    return new Map(all.flatMap((p) => [p.presence.$locks ?? []].flat().map((name) => [name, p])));
  }

  submit(data) {
    const over = this.#ended || this.#client.reason;
    if (over) throw new FlowError(over, "the room is not joined any more");
    const text = JSON.stringify(data);
    if (text === undefined) throw new TypeError("an operation must be a JSON value");
    const op = this.#outbox.add(operation(text));
    this.#changed();
    this.#pump();
    return op;
  }

  setPresence(patch) {
    this.#presence.set(patch);
    this.#showOwnPresence();
  }

  send(name, data = null, { to, echo } = {}) {
    return this.#joined && this.#client._send({ type: "event", room: this.id, name, data, to, echo });
  }

  async snapshot(data, position = this.position) {
    const request = { type: "snapshot", position, data };
    const large = !this.#client._fits(JSON.stringify({ ...request, room: this.id, id: "0".repeat(16) }));
    if (large) throw new FlowError("too_large", "the snapshot is larger than a message may be");
    const answer = await new Promise((done) => { this.#ask(request, done); });
    if (!answer) throw new FlowError("unavailable", "there is no connection");
    if (answer.type !== "ok") throw errorOf(answer);
  }

  lock(name, { ttl } = {}) {
    const known = this.#locks.get(name);
    if (known) return known._taken;
    const lock = new Lock(this.#clock, name, {
      ask: (done) => this.#ask({ type: "lock", name, ttl }, done),
      over: (isOurs) => {
        this.#locks.delete(name);
        if (isOurs) this.#ask({ type: "unlock", name }, () => {});
      },
    });
    this.#locks.set(name, lock);
    lock._renew();
    return lock._taken;
  }

  leave() {
    if (this.#ended) return;
    if (this.#joined) this.#leave();
    this.#finish("left");
  }

  /** Tells the listeners, and once in a turn of the event loop that the state may be another one. */
  _emit(type, value) {
    if (this.#reduce && CHANGES.has(type)) {
      this.#shown = null;
      if (!this.#changing) queueMicrotask(() => { this.#changing = false; super._emit("change"); });
      this.#changing = true;
    }
    super._emit(type, value);
  }

  get _unconfirmed() { return this.#outbox.pending.length; }
  _suspend() { this.#memory.release(); }

  _closed(reason) {
    this._suspend();
    for (const op of this.#outbox.pending) op.reject(new FlowError(reason));
    this.#unlock(reason);
  }

  _report() {
    const { status } = this;
    if (status === this.#told) return;
    this.#told = status;
    this._emit("status", { status, reason: this.#ended || this.#client.reason });
  }

  /** What joined told of all rooms before the server did is not our own. */
  _onServerState(state) { this.#onState({ state: this.#ahead === state ? "live" : this.#state }); }

  /** Once all is live the journals are empty: what of others has not come by now never will. */
  #onState({ state }) {
    this.#state = state;
    this.#ahead = "";
    if (this.status === "live" && this.tentative.length > 0) {
      this.tentative = [];
      this._emit("pending");
    }
    this.#client._report();
  }

  /** Until joined comes, what arrives belongs to a stream that we have ended. What is void is void all the same. */
  _receive(m) { if (this.#joined || m.type === "rewind") this.#handlers[m.type]?.call(this, m); }

  _stop() {
    this.#joined = false;
    this.#join = "";
    for (const timer of [this.#hold, this.#retry, this.#late]) this.#clock.clearTimeout(timer);
    this.#hold = this.#late = undefined;
  }

  /** Asks for the stream, from where we are. */
  _join() {
    this.#joinedAt = this.#clock.now();
    this.#retry = this.#clock.setTimeout(() => this.#rejoin(), 15_000);
    this.#join = this.#client._request({
      type: "join", room: this.id, resume: this.#resume || undefined,
      position: this.position ?? undefined, presence: this.#presence.whole(),
    }, (m) => {
      if (!m || m.id !== this.#join) return;
      this.#clock.clearTimeout(this.#retry);
      if (m.type === "joined") this.#begin(m); else this.#joinRefused(errorOf(m));
    });
    this.#client._report();
  }

  /** Starts the stream again; not more than once a second, so that no mistake becomes a storm. */
  #rejoin(ms = Math.max(0, this.#joinedAt + 1000 - this.#clock.now())) {
    this._stop();
    this.#retry = this.#clock.setTimeout(() => this._join(), ms);
    this.#client._report();
  }

  #joinRefused(err) {
    if (err.code === "stale_session") return this.#startOver(0);
    this._emit("error", err);
    if (PASSING.has(err.code) || err.retryAfter) return this.#rejoin(err.retryAfter ?? 1000);
    this.#finish(err.code);
  }

  #begin(m) {
    if (m.resumed && this.position === null) return this.#rejoin(); // the rewind came after we had asked
    const gone = m.reason === "deleted" ? this.pending : []; // the room is another one of the same name
    if (m.reason === "deleted") this.#outbox = new Outbox();
    const [reset, head] = [!m.resumed, seqOf(m.head)];
    this.#outbox.rewind(reset ? Math.min(this.#void, head) : this.#void);
    this.#void = Infinity;
    const isNew = m.reason === "diverged" && seqOf(m.position) === 0;
    if (!this.#outbox.begin(m.session, m.n, isNew)) return this.#renounce(m.n);
    if (reset) this.position = m.position;
    this.#resume = m.resume;
    this.#state = this.#ahead = m.state === this.#client._state ? "live" : m.state; // what is not of all rooms
    this.#head = head;
    this.#inLog = m.n; // undefined when the server itself does not see the log
    this.#claimed = 0;
    this.#window = this.#client.limits.pending;
    const { session, access, durability } = m;
    Object.assign(this, { session, access, durability, tentative: [], synced: false });
    this.#wanted = Infinity;
    this.#joined = true;
    const { pending, last } = this.#outbox;
    if (this.#inLog > last + pending.length) this.#confirmed(this.#outbox.settle(this.#inLog, head));
    if (reset) {
      this.#seen.clear();
      if (this.#reduce) this.state = m.snapshot?.data;
      this._emit("reset", { snapshot: m.snapshot?.data, position: m.position, reason: m.reason });
    }
    this.#onPresence({ reset: true, join: m.participants });
    for (const op of gone) this.#refused(op, new FlowError("room_deleted", "the room was deleted"));
    this.#changed();
    this.#advance();
    for (const lock of [...this.#locks.values()]) lock._renew();
  }

  /** The log lost operations that we cannot send again: only a new session can go on. */
  #renounce(n) {
    this.#leave();
    this.#outbox.abandon(n);
    this.#startOver();
  }

  /** Goes on as a new session. */
  #startOver(ms) {
    this.#resume = "";
    this.#save();
    this.#rejoin(ms);
  }

  #leave() { this.#client._request({ type: "leave", room: this.id }, () => {}); }

  /** Asks the server about this room. done gets nothing when there is no answer. */
  #ask(message, done) {
    if (!this.#joined) return done();
    this.#client._request({ ...message, room: this.id }, (m) => {
      if (m?.code !== "not_joined") return done(m);
      this.#rejoin();
      done();
    });
  }

  #onOp({ seq, hash, session, n, user, time, data }) {
    const at = seqOf(this.position);
    if (seq <= at) return;
    if (seq !== at + 1) return this.#rejoin();
    this.position = `${seq}:${hash}`;
    const done = this.#outbox.confirm({ session, n, seq, data });
    if (this.#seen.size > AUTHORS) this.#seen.clear();
    this.#seen.set(session, n);
    this.tentative = this.tentative.filter((t) => t.session !== session || t.n > n);
    const own = done.some((op) => op.seq === seq);
    if (this.#reduce) this.#apply(seq, data);
    this._emit("op", { seq, position: this.position, session, n, user, time, data, own });
    this.#confirmed(done);
    this.#advance();
  }

  /** What the reducer does not take leaves the state as it is, here as on the server. */
  #apply(seq, data) {
    try { this.state = this.#reduce(this.state, data); } catch (err) {
      this._emit("error", new FlowError("rejected", `the reducer left operation ${seq} out: ${err?.message ?? err}`));
    }
  }

  #confirmed(ops) {
    if (ops.length === 0) return;
    this.#gaps = 0;
    this.#window = Math.min(this.#window * 2, this.#client.limits.pending);
    for (const op of ops) op.resolve({ n: op.n, seq: op.seq });
    this.#changed();
  }

  /** Once the stream has reached the head, what joined said about our operations is settled. */
  #advance() {
    if (!this.synced && seqOf(this.position) >= this.#head) {
      this.synced = true;
      this.#confirmed(this.#outbox.settle(this.#inLog ?? 0, this.#head));
      if (this.#inLog !== undefined) this.#outbox.makeSure();
      this.#save();
      this._emit("synced");
    }
    if (this.synced && this.#outbox.unsure) this.#look();
    if (this.synced && seqOf(this.position) >= this.#wanted) this.#storeSnapshot();
    this.#pump();
  }

  /** With a reducer we know the answer, once we are there; a listener wants to give its own. */
  #onSnapshotWanted({ position }) {
    if (!this.#reduce || this._hears("snapshot-wanted")) return this._emit("snapshot-wanted", { position });
    this.#wanted = seqOf(position);
    this.#advance();
  }

  #storeSnapshot() {
    this.#wanted = Infinity;
    if (this.state !== undefined) this.snapshot(this.state).catch((err) => this._emit("error", err));
  }

  /** Starts the stream again soon, if that alone can tell what the log has of ours. */
  #look() {
    this.#late ??= this.#clock.setTimeout(() => {
      this.#late = undefined;
      if (this.#outbox.unsure || this.#outbox.pending[0]?.n <= this.#claimed) this.#rejoin();
    }, 5000);
  }

  /** Our operations are others, or stand otherwise, than before. */
  #changed() {
    this.#save();
    this._emit("pending");
    this.#client._report();
  }

  #pump() {
    if (!this.#joined || this.#hold !== undefined || this.#outbox.unsure) return;
    let sent = 0;
    for (let op; (op = this.#outbox.next(this.#window)); sent++) {
      const text = `{"type":"op","room":${JSON.stringify(this.id)},"n":${op.n},"data":${op.text}}`;
      if (this.#client._fits(text)) this.#client._send(text);
      else this.#refuse(op, new FlowError("too_large", "the change is too large"));
    }
    if (sent > 0) this.#save();
  }

  #pumpAfter(ms) {
    this.#clock.clearTimeout(this.#hold);
    this.#hold = this.#clock.setTimeout(() => { this.#hold = undefined; this.#pump(); }, ms);
  }

  #onNack(m) {
    const { op, stale } = this.#outbox.answered(m.n);
    if (REFUSED.has(m.code)) {
      if (!op && m.n > this.#outbox.last) return this.#rejoin(); // after joined no old answer comes any more
      if (op) this.#refuse(op, errorOf(m));
      return this.#pump();
    }
    if (m.code === "duplicate") { // it comes in the stream, soon, unless the stream began behind it
      this.#claimed = Math.max(this.#claimed, m.last ?? m.n);
      return this.#look();
    }
    if (stale) return;
    if (m.code === "not_joined" || (m.code === "gap" && m.last < this.#outbox.last)) return this.#rejoin();
    this.#outbox.turnBack(m.last ?? m.n - 1);
    if (m.code === "gap") return this.#pumpAfter(this.#gaps++ && Math.min(5000, 50 * 2 ** this.#gaps));
    this.#window = 1; // one operation knocks until the door is open
    if (op) this._emit("nack", { op, error: errorOf(m), final: false });
    this.#pumpAfter((m.retryAfter ?? 1000) * (1 + this.#clock.random() / 4));
  }

  #refuse(op, error) {
    if (!this.#outbox.drop(op)) return;
    this.#refused(op, error);
    this.#changed();
  }

  #refused(op, error) {
    op.reject(error);
    this._emit("nack", { op, error, final: true });
  }

  #onQueued({ n }) {
    this.#outbox.queued(n);
    this.#window = this.#client.limits.pending;
    this._emit("queued", { n });
    this._emit("pending");
    this.#pump();
  }

  #onTentative({ session, n, user, data }) {
    if (session === this.session || n <= this.#seen.get(session)) return; // or by an instance that is behind
    const known = this.tentative.filter((t) => t.session !== session || t.n !== n);
    this.tentative = [...known, { session, n, user, data }];
    this._emit("tentative", { session, n, user, data });
  }

  /** A state that does not end there is loaded anew; until then it stays, and what we know of our operations. */
  #onRewind({ position }) {
    this.#void = Math.min(this.#void, seqOf(position));
    if (position !== this.position) this.position = null;
    if (this.#joined) this.#rejoin();
  }

  #onLeft({ reason }) { if (reason === "expired") this.#startOver(); else this.#finish(reason); }

  #onPresence({ reset = false, join = [], update = {}, leave = [] }) {
    if (reset) this.participants.clear();
    for (const p of join) {
      const self = p.session === this.session;
      this.participants.set(p.session, { ...p, presence: merge({ __proto__: null }, p.presence ?? {}), self });
    }
    for (const [session, patch] of Object.entries(update)) {
      const p = this.participants.get(session);
      if (p) p.presence = merge({ __proto__: null, ...p.presence }, patch);
    }
    for (const { session } of leave) this.participants.delete(session);
    this.#showOwnPresence();
    this._emit("presence", { reset, join, update, leave });
  }

  /** We know our presence better than the server, whose word is always a moment old. */
  #showOwnPresence() {
    const self = this.participants.get(this.session);
    if (!self) return;
    const { $locks } = self.presence; // the server's to say
    self.presence = { __proto__: null, ...this.#presence.data, ...($locks && { $locks }) };
  }

  #onError(m) {
    if (m.code === "not_joined") return this.#rejoin();
    if (m.code === "rate_limited") this.#presence.again(m.retryAfter ?? 1000);
    this._emit("error", errorOf(m));
  }

  #finish(reason) {
    const { pending } = this;
    this._stop();
    this.#ended = reason;
    this.#memory.clear();
    this.#client._remove(this);
    this.#outbox = new Outbox();
    this.participants.clear();
    this.tentative = [];
    for (const op of pending) op.reject(new FlowError(reason));
    this.#unlock(reason);
    this._emit("left", { reason, pending });
    this._report();
    this.#client._report();
  }

  #unlock(reason) { for (const lock of [...this.#locks.values()]) lock._lose(new FlowError(reason)); }

  #restore(saved) {
    if (!saved) return;
    this.#resume = saved.resume;
    Object.assign(this.#outbox, { session: saved.session, last: saved.n });
    for (const { text, sent } of saved.pending) this.#outbox.add(operation(text, sent));
  }

  #save() {
    const { session, last, pending } = this.#outbox;
    const kept = pending.map(({ text, sent }) => ({ text, sent }));
    this.#memory.save({ resume: this.#resume, session, n: last, pending: kept });
  }
}

/** One lock of ours in a room. It renews itself as long as the server does not say that another has it. */
class Lock {
  #clock; #to; #until = -Infinity; #timer; #over = false; #settle;

  constructor(clock, name, to) {
    this.name = name;
    this.#clock = clock;
    this.#to = to;
    this._taken = new Promise((resolve, reject) => { this.#settle = { resolve, reject }; });
    this.lost = new Promise((resolve) => { this.#settle.lost = resolve; });
  }

  get held() { return !this.#over && this.#clock.now() < this.#until; }
  release() { this.#end(true); }

  _renew() {
    this.#clock.clearTimeout(this.#timer);
    const asked = this.#clock.now();
    this.#to.ask((m) => { if (!this.#over) this.#answered(m, asked); });
  }

  _lose(err) {
    if (this.#until > 0) this.#settle.lost(err); else this.#settle.reject(err);
    this.#end(false);
  }

  /** A lock that we had we wait for, in an outage and for the next joined, which renews it. */
  #answered(m, asked) {
    if (m?.type === "ok") {
      this.#until = asked + m.ttl; // on the server it is a little later
      this.#settle.resolve(this);
      return this.#renewIn(m.ttl / 3);
    }
    const err = m ? errorOf(m) : new FlowError("unavailable", "there is no connection");
    if (this.#until < 0 || !PASSING.has(err.code)) return this._lose(err);
    if (m) this.#renewIn(err.retryAfter ?? 1000);
  }

  #renewIn(ms) {
    this.#clock.clearTimeout(this.#timer);
    this.#timer = this.#clock.setTimeout(() => this._renew(), ms);
  }

  #end(isOurs) {
    if (this.#over) return;
    this.#over = true;
    this.#clock.clearTimeout(this.#timer);
    this.#to.over(isOurs);
  }
}

/** Our presence in one room: what it is, and what of it the others were not told yet. */
class Presence {
  data = { __proto__: null }; #clock; #to; #changed = {}; #removed = {}; #timer; #next = 0;

  constructor(clock, data, to) {
    this.#clock = clock;
    this.#to = to;
    this.#keep(data);
  }

  set(patch) {
    this.#keep(patch);
    Object.assign(this.#changed, patch);
    this.#timer ??= this.#clock.setTimeout(() => this.#flush(), Math.max(0, this.#next - this.#clock.now()));
  }

  #keep(patch) {
    merge(this.data, patch);
    for (const key of Object.keys(patch)) if (patch[key] === null) this.#removed[key] = null;
  }

  /** What a join carries: the session may remember keys that were removed meanwhile. */
  whole() {
    this.#changed = {};
    return { ...this.#removed, ...this.data };
  }

  /** The server dropped a change: all of it goes once more. */
  again(ms) {
    this.#next = this.#clock.now() + ms;
    this.set({ ...this.#removed, ...this.data });
  }

  #flush() {
    this.#timer = undefined;
    if (Object.keys(this.#changed).length === 0 || !this.#to.send(this.#changed)) return;
    this.#changed = {};
    this.#next = this.#clock.now() + this.#to.pause();
  }
}

/**
 * What a tab remembers of a session over a reload. A duplicated tab starts with a copy of it, and
 * must not take the session away from the first: it sees that the copy is marked as in use.
 */
class TabMemory {
  #storage; #key; #saved = null;

  constructor(storage, key) {
    this.#storage = storage;
    this.#key = key;
  }

  load() {
    const saved = attempt(() => JSON.parse(this.#storage?.getItem(this.#key) ?? "null"));
    return saved?.open ? null : saved;
  }

  save(saved) { this.#write({ ...saved, open: true }); }
  release() { if (this.#saved) this.#write({ ...this.#saved, open: false }); }

  clear() {
    this.#saved = null;
    this.#storage?.removeItem(this.#key);
  }

  #write(saved) {
    this.#saved = saved;
    try { this.#storage?.setItem(this.#key, JSON.stringify(saved)); } catch {
      this.#storage?.removeItem(this.#key); // over the quota: better no memory than an old one
    }
  }
}

/** What f returns, or something else when it throws. */
function attempt(f, otherwise = undefined) {
  try { return f(); } catch { return otherwise; }
}

/** sent tells under which session it was sent, and with which number the last time. */
function operation(text, sent = {}) {
  const op = { n: 0, text, data: JSON.parse(text), seq: undefined, queued: false, sent };
  op.confirmed = new Promise((resolve, reject) => Object.assign(op, { resolve, reject }));
  op.confirmed.catch(() => {}); // the nack event tells it as well: nobody is forced to wait here
  return op;
}

/** Sets the keys of patch in target, null removes. target has no prototype that a key could reach. */
function merge(target, patch) {
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete target[key]; else target[key] = value;
  }
  return target;
}

function isObject(value) { return value !== null && typeof value === "object" && !Array.isArray(value); }
function worse(a, b) { return STATES.indexOf(a) > STATES.indexOf(b) ? a : b; }
function seqOf(position) { return position === null ? 0 : Number.parseInt(position, 10); }
function errorOf(m) { return new FlowError(m.code, m.message, m.retryAfter); }
function byteLength(text) { return ENCODER.encode(text).length; }
