package flow

import "slices"

// listing collects one page of a list in the order of ids, from ids that come in any order. It costs a look at
// each of them and keeps no more than two pages; what the page shows is made for its own ids only.
type listing struct {
	after string
	last  string // nothing behind it belongs to the page; "" is no bound
	limit int
	ids   []string
}

// add takes an id, unless it cannot be on the page. The same may come twice.
func (l *listing) add(id string) {
	if id <= l.after || l.last != "" && id > l.last {
		return
	}
	l.ids = append(l.ids, id)
	if len(l.ids) > 2*l.limit {
		l.page()
	}
}

// page returns the ids on the page so far.
func (l *listing) page() []string {
	slices.Sort(l.ids)
	l.ids = slices.Compact(l.ids)
	if l.limit > 0 && len(l.ids) >= l.limit {
		l.last = l.ids[l.limit-1]
	}
	l.ids = l.ids[:min(len(l.ids), max(l.limit, 0))]
	return l.ids
}

// open tells that the page has room left for what comes behind its bound.
func (l *listing) open() bool { return l.last != "" && len(l.ids) < l.limit }

// lastOf returns where a full page of the store ends: what is known here beyond that belongs to a later
// page. "" when the page is the last one.
func lastOf(stored []Session, limit int) string {
	if len(stored) < limit || limit < 1 {
		return ""
	}
	return stored[len(stored)-1].ID
}
