// Package scale is the arithmetic of docs/scaling.md: over which nodes of a Cluster rooms spread, how many
// instances hear of one, and how many machines a load needs. Its tests hold the formulas against a real
// Redis, against hubs that share one, and against the numbers of the document.
//
// Nothing here is asserted about time. What things cost in time is measured by the benchmarks of this
// package and of package bench.
package scale
