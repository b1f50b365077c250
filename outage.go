package flow

// Outage says what happens to operations while the log's backend is away.
type Outage string

// The modes of Config.Outage.
const (
	OutageRelay  Outage = "relay"  // kept, and shown as tentative to those on the same instance
	OutageHold   Outage = "hold"   // kept, and shown when they are confirmed
	OutageReject Outage = "reject" // refused with [CodeUnavailable]
)
