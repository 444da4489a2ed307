package capacity

import "time"

// count takes a minute into the summary.
func (r *replay) count(m *Minute) {
	s := &r.sum
	s.Minutes++
	s.Due += m.Due
	s.Accepted += m.Accepted
	s.Failed += m.Failed
	s.Expired += m.Expired
	s.Urgent += m.Urgent
	s.UrgentMost = max(s.UrgentMost, m.UrgentBacklog)
	s.Fastest = max(s.Fastest, m.Accepted)
	if m.Backlog > s.Peak {
		s.Peak, s.PeakAt = m.Backlog, m.At
	}
	if m.Oldest > r.plan.Target {
		s.OverTarget += time.Minute
	}
	if m.Limit != "" {
		s.Limits[m.Limit] += time.Minute
	}
	if m.Accepted > 0 {
		// The last minute is used as far as the scarcest resource of sending was.
		used := 0.0
		for _, x := range r.resources {
			used = max(used, x.load())
		}
		s.Finished = m.At.Add(time.Duration(used * float64(time.Minute))).Truncate(time.Second)
	}
}

// finish reckons what only the whole can tell.
func (r *replay) finish() {
	s := &r.sum
	var all late
	for z, l := range r.late {
		for minutes, n := range l {
			if n > 0 {
				all.add(int64(minutes), n)
			}
		}
		if f := l.figures(); s.WorstZone == "" || f.P99 > s.Worst.P99 {
			if len(l) > 0 {
				s.Worst, s.WorstZone = f, r.plan.Zones[z].Name
			}
		}
	}
	s.Late = all.figures()
	for name, d := range s.Limits {
		if most := s.Limits[s.Limit]; d > most || d == most && name < s.Limit {
			s.Limit = name
		}
	}
	for _, x := range r.resources {
		switch x.name {
		case Databases:
			s.DatabaseCPU = time.Duration(x.total)
		case Senders:
			s.SenderCPU = time.Duration(x.total)
		case Wire:
			s.WireOctets = x.total / 8
		}
	}
	s.KeptOctets = (s.Accepted + s.Failed + s.Expired) * r.plan.Fleet.Kept
}
