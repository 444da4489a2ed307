package commands

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"broadsheet/digest"
	"broadsheet/store"
	"broadsheet/subscribers"
	"broadsheet/web/room"
)

// eventsAPage is how much of a reader's life a page shows.
const eventsAPage = 40

// Reader meets [room.Readers].
func (w roomReaders) Reader(ctx context.Context, id int64, page int) (*room.Reader, error) {
	s, err := w.db.SubscriberByID(ctx, id)
	if err != nil {
		return nil, refusal(err)
	}
	r := &room.Reader{ReaderBrief: brief(s), ExternalID: s.ExternalID, Created: s.Created, Away: w.awayOf(s), Settings: w.settingsInWords(s),
		Form: room.ReaderForm{Name: s.Name, Hour: s.Get("hour"), Zone: s.Zone, Language: s.Language, Format: cmp.Or(string(s.Format), "html"), ExternalID: s.ExternalID}}
	r.Lifts = s.Suppressed != nil && subscribers.MayReturn(s.Suppressed.Reason, subscribers.ByOperator)
	for _, sec := range w.shown(&s.Settings) {
		level, _ := s.Level(sec.ID)
		r.Sections = append(r.Sections, room.Choice{Value: sec.ID, Name: sec.Name, Level: string(level), Chosen: level != ""})
	}
	place := func(c room.Choice) int {
		n := slices.IndexFunc(s.Sections, func(f subscribers.Follow) bool { return f.Section == c.Value })
		if n < 0 {
			return len(s.Sections)
		}
		return n
	}
	slices.SortStableFunc(r.Sections, func(a, b room.Choice) int { return cmp.Compare(place(a), place(b)) })
	for _, ed := range w.cfg.Editions {
		r.Editions = append(r.Editions, room.Choice{Value: ed.Name, Name: ed.Title, Chosen: slices.Contains(s.Editions, ed.Name)})
	}
	for n, name := range dayNames {
		r.Days = append(r.Days, room.Choice{Value: strconv.Itoa(n + 1), Name: name, Chosen: slices.Contains(s.Days, n+1)})
	}
	life, err := w.lifeOfReader(ctx, s)
	if err != nil {
		return nil, err
	}
	r.Page, r.Events, r.Timeline = page, len(life), []room.ReaderEvent{}
	from := min(page*eventsAPage, len(life))
	to := min(from+eventsAPage, len(life))
	r.More = to < len(life)
	for _, m := range life[from:to] {
		if m.more != nil {
			if err := m.more(ctx, &m.ReaderEvent); err != nil {
				return nil, err
			}
		}
		r.Timeline = append(r.Timeline, m.ReaderEvent)
	}
	return r, nil
}

// readerMoment is a thing in a reader's life, and what adds the rest if it is shown.
type readerMoment struct {
	room.ReaderEvent
	more func(ctx context.Context, e *room.ReaderEvent) error
}

// lifeOfReader is all that is on record of a reader, the latest first.
func (w roomReaders) lifeOfReader(ctx context.Context, s *subscribers.Subscriber) (life []readerMoment, err error) {
	add := func(at time.Time, kind, what, by string, lines ...string) {
		life = append(life, readerMoment{ReaderEvent: room.ReaderEvent{At: at, Kind: kind, What: what, By: by,
			Lines: slices.DeleteFunc(lines, func(l string) bool { return l == "" })}})
	}
	held, err := w.db.Record(ctx, s.ID, w.now())
	if err != nil {
		return nil, err
	}
	history, err := w.db.History(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	for n := range history {
		c := &history[n]
		if n == 0 {
			add(c.At, "joined", "on record as "+string(c.Status), c.By, differences(subscribers.NewSettings("").Differences(c.Settings))...)
			continue
		}
		add(c.At, "change", "settings changed", c.By, differences(history[n-1].Differences(c.Settings))...)
	}
	for _, c := range held.Consents {
		confirmed := "never confirmed"
		if !c.ConfirmedAt.IsZero() {
			confirmed = "confirmed " + utc(c.ConfirmedAt) + " from " + c.ConfirmedClient
		}
		add(c.At, "consent", "agreed to mail on "+c.Page, "reader", "“"+c.Wording+"”", "from "+c.Client, confirmed)
	}
	for _, r := range held.Requests {
		state := "waits until " + utc(r.Expires)
		if !r.Used.IsZero() {
			state = "confirmed " + utc(r.Used)
		}
		add(r.At, "request", "asked for: "+r.Kind, "reader", state)
	}
	for _, n := range held.Waiting {
		add(n.At, "notice", "a mail waits to be written: "+n.Kind, "")
	}
	if b := held.Barred; b != nil {
		add(b.At, "bar", "address barred: "+barWords(b.Reason), "", b.Note)
	}
	for _, b := range held.BarredOnce {
		add(b.At, "bar", "address barred: "+barWords(b.Reason), "", b.Note)
		add(b.LiftedAt, "bar", "bar lifted", "", b.Why)
	}
	for _, m := range held.Marks {
		add(m.At, "mark", m.Class+" mark: "+m.Effect, "", "for the mail that left "+utc(m.Sent))
	}
	for _, n := range held.News {
		add(n.At, "bounce", n.Class+", by the address alone: it changed nothing", n.Server, n.Reason, n.Reply)
	}
	for _, t := range held.Tasks {
		add(t.At, "task", "task for an operator: "+t.Kind, "", t.Outcome)
	}
	for entry, err := range w.db.Audit(ctx, store.AuditFilter{Object: fmt.Sprintf("reader %d", s.ID)}) {
		if err != nil {
			return nil, err
		}
		add(entry.At, "operator", entry.Act, entry.By.Who, entry.By.Why, entry.Detail)
	}
	if life, err = w.mailOfReader(ctx, s, life); err != nil {
		return nil, err
	}
	slices.SortStableFunc(life, func(a, b readerMoment) int { return b.At.Compare(a.At) })
	return life, nil
}

// lettersMost is how many messages that came in a timeline has.
const lettersMost = 200

// mailOfReader adds the mails to a reader and those that came in.
func (w roomReaders) mailOfReader(ctx context.Context, s *subscribers.Subscriber, life []readerMoment) ([]readerMoment, error) {
	zone := w.placeOf(s)
	for d, err := range w.db.Deliveries(ctx, store.DeliveryFilter{Subscriber: s.ID}) {
		if err != nil {
			return nil, err
		}
		e := room.ReaderEvent{At: d.At, Kind: "delivery", What: d.Edition + " " + d.SlotKey, State: string(d.State),
			Link: fmt.Sprintf("/explain?as=%d&issue=%d", s.ID, d.Issue)}
		if d.Edition == digest.NoticeEdition {
			e.Kind, e.What, e.Link = "notice", "mail about a change, a confirmation or a link", ""
		}
		life = append(life, readerMoment{ReaderEvent: e, more: func(ctx context.Context, e *room.ReaderEvent) error {
			f, err := w.fateOf(ctx, s, &d, zone)
			if err != nil {
				return err
			}
			e.Lines = append(e.Lines, f.says)
			for _, m := range f.life {
				if m.what != "written" {
					e.Lines = append(e.Lines, strings.Join(strings.Fields(strings.Join([]string{at(m.at, zone, w.now()), m.what, string(m.class), m.by, said(m.reply), m.reason}, " ")), " "))
				}
			}
			return w.storiesIn(ctx, &d, e)
		}})
	}
	n := 0
	for m, err := range w.db.Inbound(ctx, store.InboundFilter{Subscriber: s.ID}) {
		if err != nil {
			return nil, err
		}
		if n++; n > lettersMost {
			break
		}
		life = append(life, readerMoment{ReaderEvent: room.ReaderEvent{At: m.At, Kind: "message", What: cmp.Or(m.Subject, "message "+itoa(m.ID)), By: m.From,
			Lines: slices.DeleteFunc([]string{string(m.Class), m.Effect, m.Aside}, func(l string) bool { return l == "" }), Link: "/inbound/" + itoa(m.ID)}})
	}
	return life, nil
}

// storiesIn adds what a mail told.
func (w roomReaders) storiesIn(ctx context.Context, d *store.DeliveryRow, e *room.ReaderEvent) error {
	if d.Digest == 0 || d.Edition == digest.NoticeEdition {
		return nil
	}
	dg, err := w.db.Digest(ctx, d.Digest)
	if err != nil {
		return err
	}
	e.What += ": " + dg.Subject
	revisions := make([]int64, len(dg.Items))
	for n, item := range dg.Items {
		revisions[n] = item.Revision
	}
	headlines, err := w.db.Headlines(ctx, revisions)
	if err != nil {
		return err
	}
	var told []string
	for _, r := range revisions {
		told = append(told, headlines[r])
	}
	if len(told) > 0 {
		e.Lines = append(e.Lines, "Stories: "+strings.Join(told, " · "))
	}
	return nil
}

// differences says what changed, a line for each field.
func differences(list []subscribers.Difference) (lines []string) {
	for _, d := range list {
		switch {
		case d.Was == "":
			lines = append(lines, d.Field+": "+d.Is)
		case d.Is == "":
			lines = append(lines, d.Field+": "+d.Was+" → (none)")
		default:
			lines = append(lines, d.Field+": "+d.Was+" → "+d.Is)
		}
	}
	return lines
}

func utc(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
