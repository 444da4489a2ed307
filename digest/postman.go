package digest

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"broadsheet/mailer"
)

// Outbox is where notices wait to be written. store.DB meets it.
type Outbox interface {
	// PostNotices takes notices that wait, of the limit oldest those that may go in one run: they have one life, and
	// no two are for one subscriber. It hands them to plan and puts what it returns on record as an issue of
	// [NoticeEdition] that is open at once and goes before digests, all in one transaction. Notices that plan leaves
	// out are gone. n counts those that do not wait any more; 0 = none did.
	PostNotices(ctx context.Context, limit int, now time.Time, plan func(r NoticeRun) ([]Planned, error)) (n int, err error)
}

// NoticeRun is what goes in one run.
type NoticeRun struct {
	Notices  []Notice
	Life     time.Duration
	Day      int64          // in UTC, as [UTCDay] numbers it
	Assigned map[string]int // deliveries, by relay, on that day
}

// Postman turns notices that wait into deliveries. All fields are required. It may be used by
// many goroutines, if what its fields hold may.
type Postman struct {
	Outbox Outbox
	Press  *NoticePress
	Routes *Routes
	Now    func() time.Time
	Log    *slog.Logger
}

// Post puts all notices that wait on their way and says how many these were.
func (p *Postman) Post(ctx context.Context) (n int, err error) {
	for {
		now := p.Now()
		posted, err := p.Outbox.PostNotices(ctx, chunkSize, now, func(r NoticeRun) ([]Planned, error) { return p.plan(r, now), nil })
		if n += posted; err != nil {
			return n, fmt.Errorf("post notices: %w", err)
		}
		if posted == 0 {
			return n, nil
		}
	}
}

// plan makes the mails of a run. One that cannot be made must not keep the others.
func (p *Postman) plan(r NoticeRun, now time.Time) []Planned {
	day := p.Routes.Day(r.Day, r.Assigned)
	digests := map[string]*Digest{}
	var list []Planned
	for k := range r.Notices {
		n := &r.Notices[k]
		out := Planned{Subscriber: n.Subscriber, SettingsID: n.SettingsID, State: string(mailer.Queued)}
		d, err := p.Press.Layout(n)
		if err != nil {
			p.Log.Error("notice left out", slog.String("kind", n.Kind), slog.Int64("subscriber", n.Subscriber), slog.Any("error", err))
			continue
		}
		if digests[d.Key] == nil {
			digests[d.Key] = d
		}
		relay, ok := day.Assign(n.Subscriber, n.Address)
		switch {
		case now.Sub(n.At) > r.Life: // the program was down for long
			out.State, out.Reason = string(mailer.Expired), mailer.ReasonExpired
		case !ok:
			out.State, out.Reason = string(mailer.Failed), ReasonNoRelay
		default:
			out.Digest, out.Relay = digests[d.Key], relay
		}
		list = append(list, out)
	}
	return list
}
