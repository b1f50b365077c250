// Package middleware adapts the environment to a hub: it reads the settings, picks the backend of each
// subsystem, opens the hub and puts it into the Fiber context, where package handlers finds it.
//
// The smallest use is two lines:
//
//	app.Use("/collab", middleware.New())
//	handlers.Register(app.Group("/collab"))
//
// An application that wants the hub itself, or an error in place of a handler that refuses every request,
// opens it first:
//
//	hub, err := middleware.Open(middleware.Config{Authorize: mayEdit})
//	if err != nil {
//		return err
//	}
//	app.Use("/collab", middleware.New(middleware.Config{Hub: hub}))
//
// # Settings
//
// Every key and its default stands in the file .env.example of the module. The process environment wins
// over the file .env, key by key; empty means unset. A value that cannot be read is an error that names
// the key, and then nothing starts.
//
// # Redis that is away
//
// Whatever Redis does when the hub is opened, it opens: a Redis that cannot be reached, or that refuses
// the password, is logged with its address and the reason, and the subsystems that need it start in state
// degraded. That is the state of any later outage too: people join and work together on their instance,
// and operations wait in its memory, as COLLAB_OUTAGE says. When Redis answers, with whatever is in it,
// each room is brought together with its log, and what waits is appended behind that.
//
// Resume tokens are signed, so that they can be checked without Redis. Without COLLAB_SECRET the key is
// drawn at start; where collaboration is on Redis, all instances agree there on one. An instance that
// has started without Redis signs with a key of its own until it answers: what that has signed stays good
// on this instance, and on the others it is a stale session, whose client joins anew.
package middleware
