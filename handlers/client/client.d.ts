/** Types of client.js, the browser client of flow.v1. */

export interface Options {
  /** The socket's address, ws or http, also relative to the page. Default: ws beside client.js. */
  url?: string | URL;
  /** A token that stays the same. Without token and getToken the server decides by its own cookies. */
  token?: string;
  /** Asked for a fresh token before every connection, and before the old one ends. */
  getToken?: () => string | null | Promise<string | null>;
  /** For tests: the WebSocket class and the time. */
  WebSocket?: typeof WebSocket;
  clock?: Clock;
}

export interface Clock {
  now(): number;
  /** From 0 to 1. */
  random(): number;
  setTimeout(run: () => void, ms: number): unknown;
  clearTimeout(id: unknown): void;
}

/**
 * connecting, reconnecting: on the way to the server, for the first time or again. offline: without a network.
 * joining: the server has not let us in yet. live: what is written is confirmed at once. degraded: the
 * server's storage is away; it keeps what is written in its memory, and nothing is confirmed. recovering:
 * the storage is back, and what was kept is being written. closed: for good, reason tells why.
 */
export type ClientStatus =
  "connecting" | "joining" | "live" | "degraded" | "recovering" | "reconnecting" | "offline" | "closed";
export type RoomStatus = ClientStatus | "left";

/** What was refused: a code of the contract, and a message that may be shown. */
export class FlowError extends Error {
  code: string;
  /** Milliseconds, with what is worth a retry. */
  retryAfter?: number;
}

/** Opens a connection that keeps itself alive until close() or a final refusal. */
export function connect(options?: Options): Client;

/**
 * Applies a JSON merge patch (RFC 7396) to a JSON value, as the server's reducer of that name does. Neither
 * argument is changed, the result shares parts with both, and objects in it have no prototype. Throws a
 * RangeError when something in the patch is enclosed by more than 512 objects and arrays. What a room's state is
 * then only the application knows: join<Board>("my-board", { reduce: mergePatch }).
 */
export function mergePatch(target: unknown, patch: unknown): any;

export class Client {
  /** One for the page: while there is a connection the worst of the server's and of all rooms on it. */
  readonly status: ClientStatus;
  /** Why status is "closed": a code of the server, or "closed" by the application. */
  readonly reason: string;
  /** How many operations of ours, in all rooms, are not in the log yet. */
  readonly unconfirmed: number;
  /** The user's id, as the server knows it. */
  readonly user: string | null;
  readonly limits: Limits;
  /** Joins a room, again after every reconnect. A room that is joined already is returned as it is. */
  join<State = unknown>(id: string, options?: JoinOptions<State>): Room<State>;
  /** Ends the connection for good. Sessions can be resumed by the next page in this tab. */
  close(): void;
  on<K extends keyof ClientEvents>(type: K, f: (event: ClientEvents[K]) => void): () => void;
}

export interface ClientEvents {
  /** The status, or the number of unconfirmed operations, has changed. */
  status: { status: ClientStatus; reason: string; unconfirmed: number };
  /** A message to this user, wherever connected. */
  event: Event;
  error: FlowError;
}

export interface Limits {
  messageBytes: number;
  presenceBytes: number;
  opsPerSecond: number;
  eventsPerSecond: number;
  presencePerSecond: number;
  rooms: number;
  participants: number;
  pending: number;
}

export interface JoinOptions<State = unknown> {
  /**
   * Computes the state of the room: the next one from the one before (undefined at first) and the data of an
   * operation, without changing either. Use what the server uses for this room, mergePatch for instance. One that
   * throws leaves the state as it is, as on the server, and the error event tells it.
   */
  reduce?: (state: State | undefined, data: any) => State;
  /** What others see of us from the start. */
  presence?: Presence;
  /** Where the session is kept over a reload. Default: sessionStorage; null: nowhere. */
  storage?: Pick<Storage, "getItem" | "setItem" | "removeItem"> | null;
}

export class Room<State = unknown> {
  readonly id: string;
  /** Like the client's, but of this room alone. */
  readonly status: RoomStatus;
  /** Why status is "left": replaced, kicked, forbidden, deleted, a code, or "left". */
  readonly reason: string;
  /** Our session; the same after a reconnect or a reload as long as the server keeps it. */
  readonly session: string;
  readonly access: "none" | "viewer" | "editor" | "owner";
  /** What a confirmed operation is written to. */
  readonly durability: "" | "redis" | "memory";
  /** After the newest operation that was handed out; null before the first reset. */
  readonly position: string | null;
  /** Whether everything was received that was in the log at the last join. */
  readonly synced: boolean;
  /** By session, ourselves included. */
  readonly participants: Map<string, Participant>;
  /** Our operations that are not in the stream yet: shown on top of the confirmed state. */
  readonly pending: readonly PendingOperation[];
  /** Operations of others that the server holds: they have no place yet, and may never get one. */
  readonly tentative: readonly TentativeOperation[];
  readonly presence: Presence;
  /** With reduce: what is confirmed, at position. Must not be changed. Without reduce always undefined. */
  readonly state: State | undefined;
  /** With reduce: the state with tentative and, above it, pending: what to show. */
  readonly optimistic: State | undefined;
  /** Who has which lock, by name. Locks of the application on the server are not listed. */
  readonly locks: Map<string, Participant>;

  /** Writes an operation, now or when there is a connection. Throws when the room is left. */
  submit(data: unknown): PendingOperation;
  /** Changes keys of our presence, null removes one. Thirty times a second at most, the newest wins. */
  setPresence(patch: Presence): void;
  /** Sends an event, at most once; false when there is no connection for it. */
  send(name: string, data?: unknown, options?: { to?: { session: string } | { user: string }; echo?: boolean }): boolean;
  /**
   * Takes a lock: nobody else has the name in this room until release(), the loss of the lock, or the end of our
   * session. It renews itself at a third of ttl (1,000 to 60,000 ms, default 10,000), and after every reconnect.
   * The same lock again while we have it. Rejected with a FlowError: "locked" while another has it (retryAfter
   * tells until when), "unavailable" without a connection or while the server's storage is away.
   */
  lock(name: string, options?: { ttl?: number }): Promise<Lock>;
  /** Stores the confirmed state, so that the log before it may be trimmed. */
  snapshot(data: unknown, position?: string): Promise<void>;
  /** Ends our session. Operations that are not confirmed are given up. */
  leave(): void;
  on<K extends keyof RoomEvents>(type: K, f: (event: RoomEvents[K]) => void): () => void;
}

/** A lock that we took. */
export interface Lock {
  readonly name: string;
  /** Whether it is ours for sure: in a long outage it runs out, and may be ours again afterwards. */
  readonly held: boolean;
  /** Fulfilled with the reason when it turns out to be lost for good; never after release(). */
  readonly lost: Promise<FlowError>;
  /** Gives it back. What is lost or given back already is left alone. */
  release(): void;
}

export interface RoomEvents {
  /**
   * Drop the confirmed state and start from the snapshot, or from nothing. Comes before the first op, and when
   * confirmed operations turned out to be void, or nobody can say what came since.
   */
  reset: { snapshot?: unknown; position: string; reason?: "trimmed" | "diverged" | "deleted" };
  /** The next confirmed operation. */
  op: Operation;
  /** room.pending, or room.tentative, changed in a way that no other event tells. */
  pending: undefined;
  /** With reduce: room.state or room.optimistic may be another one. Once in a turn of the event loop. */
  change: undefined;
  /** The stream has reached the end that the log had at the join. */
  synced: undefined;
  /** room.participants changed; the fields say how. */
  presence: {
    reset: boolean;
    join: Participant[];
    update: Record<string, Presence>;
    leave: { session: string; reason: string }[];
  };
  event: Event;
  /** All of ours up to n are held by the server, and not written yet. */
  queued: { n: number };
  tentative: TentativeOperation;
  /** An operation was not taken. final: it is gone; otherwise it is tried again by itself. */
  nack: { op: PendingOperation; error: FlowError; final: boolean };
  /** The room is over, with what could not be written any more. */
  left: { reason: string; pending: PendingOperation[] };
  status: { status: RoomStatus; reason: string };
  /**
   * The server asks for a snapshot: answer with room.snapshot(state). With reduce the room does that by itself,
   * unless somebody listens.
   */
  "snapshot-wanted": { position: string };
  error: FlowError;
}

export type Presence = Record<string, unknown>;

export interface Participant {
  session: string;
  user: string;
  /** What the server knows, never what a client claims. */
  profile: { name?: string; picture?: string; color: string };
  presence: Presence;
  /** Unix milliseconds. */
  joined: number;
  /** Whether this is our own session. */
  self: boolean;
}

export interface Operation {
  seq: number;
  position: string;
  session: string;
  n: number;
  user: string;
  time: number;
  data: unknown;
  /** Whether it leaves room.pending with this event. */
  own: boolean;
}

export interface PendingOperation {
  /** Its number in our session; it changes when one before it is refused. */
  readonly n: number;
  readonly data: unknown;
  /** Whether the server that we are connected to holds it in its memory, without having written it. */
  readonly queued: boolean;
  /** Fulfilled when it is in the log, rejected with a FlowError when it is refused for good. */
  readonly confirmed: Promise<{ n: number; seq?: number }>;
}

export interface TentativeOperation {
  session: string;
  n: number;
  user: string;
  data: unknown;
}

export interface Event {
  name: string;
  data: unknown;
  /** Missing: sent by the server. */
  session?: string;
  user?: string;
}
