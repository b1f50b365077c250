package scale

import "math"

// Machine is one instance. Half of its CPU is kept for the return of clients and for the work of an instance
// that fails.
type Machine struct {
	Cores   float64
	Bytes   float64
	Sockets float64 // COLLAB_SOCKETS
}

// spare is the part of a CPU, of instances and of Redis, that a plan uses.
const spare = 0.5

// mostMasters is up to which size a plan has a Cluster grow.
const mostMasters = 24

// Plan is how many of what a load needs.
type Plan struct {
	Work

	Instances float64
	Sites     float64 // that share nothing: each has its own Redis, and its part of the rooms
	Masters   float64 // of each site; 1 is a single Redis, or one with Sentinels
	Bus       float64 // bytes a second that a node of a Cluster hears from the others
}

// Plan returns what the load needs. ByRoom is for a load balancer that sends all members of a room to one
// instance, and a bus that stays in memory.
func (l Load) Plan(c Costs, m Machine, byRoom bool) Plan {
	for sites := 1.0; ; sites++ {
		part := l
		part.Sockets /= sites
		p := part.site(c, m, byRoom)
		if p.Masters == 0 {
			continue
		}
		p.Sites, p.Instances = sites, p.Instances*sites
		p.Messages, p.Deliveries, p.Cores, p.Redis = p.Messages*sites, p.Deliveries*sites, p.Cores*sites, p.Redis*sites
		return p
	}
}

// site is Plan for one site; without masters when a Cluster is too small for it.
func (l Load) site(c Costs, m Machine, byRoom bool) (p Plan) {
	for p.Instances = 1; ; p.Instances++ { // more instances hear more
		hearing := Hearing(l.Members, p.Instances)
		if byRoom {
			hearing = 1
		}
		p.Work = l.Work(c, hearing, byRoom)
		enough := max(p.Cores/m.Cores/spare, l.Sockets*c.Socket/m.Bytes/spare, l.Sockets/m.Sockets)
		if p.Instances >= enough {
			break
		}
		p.Instances = max(p.Instances, math.Floor(enough)-1)
	}
	for p.Masters = 1; p.Masters <= mostMasters; p.Masters++ {
		if p.Masters == 2 {
			p.Masters = 3 // the smallest Cluster
		}
		if p.node(c) <= spare {
			return p
		}
	}
	p.Masters = 0
	return p
}

// node returns the cores that each master needs. In a Cluster each has a replica, and every node hears every
// message.
func (p *Plan) node(c Costs) float64 {
	if p.Masters == 1 {
		return p.Redis
	}
	nodes := 2 * p.Masters
	here := p.Messages / p.Masters
	p.Bus = (p.Messages - here) * c.BusBytes
	return p.Redis/p.Masters + micro*(here*(nodes-1)*c.Send+(p.Messages-here)*c.Other)
}
