package digest

import (
	"time"

	"broadsheet/mailer"
)

// Window is what a reader has not been sent yet: arrival numbers (Start, End].
type Window struct {
	Start, End int64
	Fresh      int64     // arrivals up to this number were in an earlier window that did not reach the reader: rolled over
	Oldest     time.Time // what arrived before this is too old
}

// Reached reports whether a delivery brought its reader what its window held, or may have: the next window then
// begins where its window ended. It did as soon as one copy may be out ([Previous.Copies] or handed: a reader who
// gets less is better than one who gets a story twice; if it turns out that no copy arrived, [Reader.Carry] takes
// the next window back), and it did if there was nothing to bring (skipped).
func (p *Previous) Reached() bool {
	switch s := mailer.State(p.State); s {
	case mailer.Handed, mailer.Uncertain, mailer.Skipped:
		return true
	default:
		return s.Taken() || p.Copies > 0
	}
}

// Spans are the numbers and times between which an issue's windows lie.
type Spans struct {
	Cutoff int64 // the issue's
	First  int64 // a new reader's window starts here
	// Period is where the window of a reader with these days starts at the earliest who comes back.
	Period func(days []int) int64
	// Oldest is the time from which on a story is young enough for a reader with these days.
	Oldest func(days []int) time.Time
}

// Window is the reader's window in an issue. Why nothing eligible is lost and nothing comes twice:
//
//   - Without a break, windows join: one that reached the reader ends where the next one starts.
//   - One that did not reach the reader is taken over whole, because the next one starts where it started. This
//     holds for queued, deferred and sending deliveries without a copy too, for the chunk that writes the next
//     delivery supersedes them, and a superseded one can never be handed.
//   - Start goes by what was sent, not by the reader's wishes or the clock. Whoever adds a section, moves to
//     another zone or hour, or misses a slot keeps the same start; what such a section brought before it was
//     added lies before the start and was not theirs.
//   - A window may so hold stories which another delivery has brought, by an older window's overlap or in another
//     edition. They are taken out by the list of what the reader has seen, never by moving the window.
//   - End never falls behind Start: an issue resumed after a crash may have a lower cut-off than one that was
//     opened and written in the meantime.
//
// What lies in no window is lost on purpose: before the first mail more than `first`, over a break more than a
// period, and what is older than max_age.
func (s *Spans) Window(r *Reader) Window {
	w := Window{Start: s.First, Oldest: s.Oldest(r.Days)}
	if p := r.Previous; p != nil {
		w.Start, w.Fresh = p.WindowStart, p.WindowEnd
		if p.Reached() {
			w.Start = p.WindowEnd
		}
		if r.Carry != nil {
			w.Start = min(w.Start, *r.Carry)
		}
		if r.Returned {
			w.Start = max(w.Start, s.Period(r.Days))
		}
	}
	w.End = max(w.Start, s.Cutoff)
	return w
}
