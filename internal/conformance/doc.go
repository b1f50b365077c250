// Package conformance holds every backend to the contracts of flow's interfaces: one suite for each of
// [flow.Log], [flow.Bus] and [flow.SessionStore]. A backend hands in a factory and gets subtests; one
// that does not pass them is none.
//
// Each case asks the factory for storage of its own, fresh and empty, with the settings that the case
// needs, and gets two handles on it, as two instances would hold them. A backend that lives in one
// process returns the same handle twice. What the factory opens it closes with t.Cleanup.
//
// Where a contract leaves a choice, the suite leaves it too; where a contract has two readings, the case
// says which one holds.
package conformance
