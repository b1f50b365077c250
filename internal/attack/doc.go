// Package attack floods a server of its own with what one attacker can send, and measures what others
// notice: a few neighbours, who share a room with the attacker, write operations before and during the
// flood, and each must be confirmed.
//
//	plan := attack.Plan{Kind: kind, Neighbours: 10, Quiet: 5 * time.Second, Flood: 15 * time.Second}
//	report, err := attack.Run(ctx, target, plan)
//
// An attacker has one user, one address and few sockets, does what it does at a given pace, and comes back
// at once when it is thrown out. Everything is bounded in size and time, and connects to 127.0.0.1 only.
package attack
