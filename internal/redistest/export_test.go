package redistest

// Lost returns on how many connections of a proxy something was thrown away.
func Lost(p *Proxy) int {
	n := 0
	p.each(func(l *link) {
		if l.lost.Load() {
			n++
		}
	})
	return n
}
