// Package handlers adapts a [flow.Hub] to Fiber: the socket, the event stream, the REST routes, health,
// metrics, the browser client and the operators' page of the wire contract flow.v1.
//
//	app.Use("/collab", middleware.New())
//	handlers.Register(app.Group("/collab"))
//
// The transports are dumb pipes: they carry bytes, deadlines and close codes. What a message means, who
// may do what, and in which order things happen is the hub's matter.
//
// # Shutdown
//
// Fiber's Shutdown does not wait for sockets, and ends while they still work. So the handlers close the
// hub themselves as soon as the server begins to shut down: every socket and stream gets its bye, and new
// ones are refused. Shutdown then also waits for the hub, through a hook of the app that serves the
// routes. What remains for main is to wait for Shutdown (app.Listen returns at its start), or for
// [flow.Hub.Close], before it returns. The hook cannot be set on the parent of a sub-app that was mounted
// before Register was called; then only Hub.Close waits.
//
// # Beside the application
//
// Register adds its routes and nothing else: no catch-all, no middleware. Errors of its routes are
// rendered by itself, so the application's error handler does not change them. Event streams and sockets
// leave Fiber's hands when they begin (they are hijacked), so write timeouts, ETag and compress
// middleware neither cut nor hold them back. With fiber.Config.ReduceMemoryUsage an idle socket takes
// some 4 KiB less.
package handlers
