// Package flow adds real-time collaboration to any application: rooms, sessions, presence,
// ephemeral events and a durable, totally ordered operation log.
//
// A [Hub] runs the rooms of one instance. It speaks the wire contract flow.v1 to every connection
// that a transport hands to [Hub.Connect], and keeps what must outlive a connection behind three
// small interfaces, one for each subsystem:
//
//   - [SessionStore] (collaboration): who is where, and who may come back.
//   - [Bus] (websockets): presence and events between instances.
//   - [Log] (ordering): the operations of each room, in one order for everybody.
//
// Package memx implements them in process memory, package redisx on Redis. Any mix works; what it
// means across instances is told in the README. Package middleware picks them from the
// environment, package handlers serves the hub with Fiber. This package imports neither.
//
// # One rule
//
// An operation is confirmed when it is in the room's log, with a [Position]. Its author learns it by
// seeing its own operation come back in the stream. Nothing else is an acknowledgement.
package flow
