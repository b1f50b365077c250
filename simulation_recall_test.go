package flow // internal: the simulation looks into the sequencer

// simRecall is the reading of what lies before a ring's base (room_recall.go).
type simRecall struct {
	base Position
	page *Page
}

func (in *simInstance) recallLocked() {
	if base := in.ring.base; base.Seq > 0 && !in.deleted {
		in.recalls = append(in.recalls, &simRecall{base: base})
	}
}

// recall does the next half of the oldest recall.
func (in *simInstance) recall() {
	if len(in.recalls) == 0 {
		return
	}
	c := in.recalls[0]
	if c.page == nil && in.reached {
		q := Query{Unchecked: true, Limit: 1000}
		page, err := in.w.log.read(&q)
		if ErrorCode(err) == CodeTrimmed && page.Base.Seq < c.base.Seq {
			q.After = page.Base
			page, err = in.w.log.read(&q)
		}
		if err == nil && len(page.Operations) > 0 {
			c.page = &page
			return
		}
	}
	in.recalls = in.recalls[1:]
	if c.page == nil {
		return
	}
	ops := c.page.Operations
	if over := ops[len(ops)-1].Seq; over > c.base.Seq {
		ops = ops[:max(0, len(ops)-int(over-c.base.Seq))]
	}
	if len(ops) == 0 || in.ring.base != c.base || ops[len(ops)-1].Position() != c.base {
		return
	}
	frames := make([]*Frame, len(ops))
	for i := range ops {
		frames[i] = opFrame("r", ops[i])
	}
	in.ring.prepend(c.page.Base, ops, frames)
}
