package flow

import "context"

// Spending is what somebody takes from four token buckets, or what is missing in them.
type Spending struct {
	Messages int64
	Bytes    int64
	Joins    int64
	Requests int64
}

// Meter keeps the buckets of users where all instances see them, so that a user has one allowance and
// not one on each. It belongs to the subsystem collaboration. All its methods are safe for concurrent use.
type Meter interface {
	// Spend tells what was taken here from the buckets of some users since the last call, and returns
	// what is then missing from each: what the other instances took is in it. rates says how much each
	// bucket gains a second; a bucket holds twice that, and at most twice of what it holds can be
	// missing. The keys are 1 to 300 bytes of anything. The maps are not kept, and the answer is the
	// caller's. [CodeUnavailable] while the backend is away: then nothing is known, and each instance
	// goes on with its own buckets.
	Spend(ctx context.Context, rates Spending, spent map[string]Spending) (missing map[string]Spending, err error)
}
