package flow

import "time"

// State says whether a subsystem works as configured.
type State string

// The states of a subsystem, as clients see them.
const (
	Live       State = "live"
	Degraded   State = "degraded"   // its backend is away; the instance goes on in memory
	Recovering State = "recovering" // its backend is back; what was missed is being written
)

// Health is what a backend knows about itself.
type Health struct {
	Backend   string    // "memory" or "redis"
	State     State     // how it serves now
	Since     time.Time // when State began
	LastProof time.Time // when the backend last proved that it works; for memory, now
	// Partial says that State holds for a part of what is stored there: ask the log about a room.
	Partial bool
	Address string // where the backend is, without secrets; "" for memory
	Reason  string // why State is not Live, for operators; without secrets
}
