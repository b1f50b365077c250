package scale

import "math"

// Hearing returns how many of so many instances have a room of so many members open, on average, when a
// load balancer places each member by chance. Each of these instances hears all that happens in the room.
func Hearing(members, instances float64) float64 {
	return instances * (1 - math.Pow(1-1/instances, members))
}
