// Package redisx keeps flow's sessions, messages and operations on Redis: one server, Sentinel or
// Cluster, version 6.2 or newer; tested with 7.0.
//
// [Open] returns a [Conn], which all three backends share: [NewSessionStore], [NewBus] and [NewLog];
// [NewMeter] belongs to the first.
// A Redis that is away is no error. Every call is bounded by [Config.Timeout]; the first that misses
// it, loses its connection or is refused for the state of the server makes its backend degraded: from
// then on calls fail at once with [flow.CodeUnavailable], while a prober looks for Redis in the
// background and turns the backend live again. Each backend finds out for itself, so a server without
// memory stops the log and the sessions, and not the bus. In a Cluster the log and the bus have a state
// for each node; sessions need all nodes.
//
// # Keys
//
// All keys begin with [Config.Prefix] and a colon. Those of a room share a hash tag, so that one
// script can use them together in a Cluster:
//
//	flow:{room}:head       hash: end and beginning of the log, the last n of each session, and
//	                       how far each group of consumers has come
//	flow:{room}:ops        stream with the ids seq-0: session, n, user, time, hash, data
//	flow:{room}:ops~       the same while a script writes it anew
//	flow:{room}:snap       hash: position, data and digest of the newest snapshot
//	flow:{room}:snap~      hash: snapshots that are being saved
//	flow:{room}:leases     hash: owner and end of each lease
//	flow:{room}:gone       tombstone of a deleted room
//	flow:{room}:key:<key>  answer to a batch with an idempotency key
//	flow:{room}:epoch      tells keys of a deleted room from those of the next with its id
//	flow:{room}:feed       channel of what is appended
//	flow:session:<id>      one session
//	flow:sessions:room:<room>, flow:sessions:user:<user>
//	                       sorted sets by expiry
//	flow:{~rooms}:names, flow:{~rooms}:times
//	                       sorted sets: the rooms that have sessions, by name and by expiry
//	flow:instance:<id>     there while the instance lives
//	flow:meter:{<user>}    hash: what is missing from the buckets of a user
//	flow:{~marks}:names, flow:{~marks}:times
//	                       sorted sets: who had which room open, by name and by time
//	flow:bus:<topic>       channel of the bus
//	flow:secret            what signs resume tokens, if the instances agree on it here
//
// Other names with a ~ behind the colon or brace are nobody's: keys and channels to prove that Redis works.
//
// User ids and idempotency keys stand in keys as base64url. Everything but the secret has a TTL;
// nothing uses KEYS, SCAN or FLUSH.
package redisx
