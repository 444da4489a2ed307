package digest

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"broadsheet/schedule"
)

const (
	// TripwirePast is with how many issues an issue is compared.
	TripwirePast = 28
	// tripwireLeast is how many there must be: a new publication has no usual yet.
	tripwireLeast = 7
	// few is up to which number of readers or mails nothing is usual enough to stop for: three readers
	// who leave a town may be half of it.
	few = 20
	// feedStories is by how many stories a feed must have grown; less is a lively day.
	feedStories = 25
	// feedShare is the share of all new stories from which on a feed that falls silent stops an issue. Of
	// lesser feeds it is an alarm, and no reason to keep the rest from readers.
	feedShare = 0.25
)

// Trip is a figure that is out of its bounds.
type Trip struct {
	Wire string `json:"wire"` // which: "feed https://…"; that of readers names their place too
	Text string `json:"text"` // what is wrong, in words and figures
}

// Tripped compares an issue's figures with those of the issues before it, the latest first, and says
// what is out of bounds. A figure is within them if it is near one of three: the median of all, that of
// the latest three, or that of the same weekday. So neither a weekend nor steady growth trips anything,
// nor does a change that a person let through twice. What swings much anyway has wider bounds, by the
// median of its deviations.
func Tripped(now *Figures, past []Figures, w schedule.Tripwires, place string) (trips []Trip) {
	past = past[:min(len(past), TripwirePast)]
	if len(past) < tripwireLeast {
		return nil
	}
	c := comparison{now: now, past: past}
	c.readers(w.Readers, place)
	c.mails(w)
	c.feeds(w.Feeds)
	c.links(w.Links)
	c.sizes(w.Size)
	return c.trips
}

type comparison struct {
	now   *Figures
	past  []Figures
	trips []Trip
}

func (c *comparison) trip(wire, format string, args ...any) {
	c.trips = append(c.trips, Trip{wire, fmt.Sprintf(format, args...)})
}

// usual is what a figure is as a rule.
type usual struct {
	median, least float64
	centres       []float64 // the median first
	swing         float64   // how far off the median it often is
	n             int
}

// of gathers a figure of earlier issues; those that do not have it are left out.
func (c *comparison) of(figure func(*Figures) (float64, bool)) (u usual, ok bool) {
	var all, sameDay []float64
	for i := range c.past {
		v, has := figure(&c.past[i])
		if !has {
			continue
		}
		all = append(all, v)
		if dayOf(&c.past[i]) == dayOf(c.now) {
			sameDay = append(sameDay, v)
		}
	}
	if len(all) < tripwireLeast {
		return u, false
	}
	u.n, u.median, u.least = len(all), median(all), slices.Min(all)
	u.centres = []float64{u.median, median(all[:3])}
	if len(sameDay) >= 2 {
		u.centres = append(u.centres, median(sameDay))
	}
	off := make([]float64, len(all))
	for i, v := range all {
		off[i] = math.Abs(v - u.median)
	}
	u.swing = 4 * 1.4826 * median(off) // 1.4826 makes it a standard deviation where figures are spread as chance does
	return u, true
}

// bounds are the lowest and the highest value within a share of any of the centres, but no nearer to the
// median than room.
func (u *usual) bounds(share, room float64) (low, high float64) {
	low, high = u.median-max(u.swing, room), u.median+max(u.swing, room)
	for _, centre := range u.centres {
		low, high = min(low, centre*(1-share)), max(high, centre/(1-share))
	}
	return max(low, 0), high
}

func (c *comparison) readers(share float64, place string) {
	if share >= 1 {
		return
	}
	u, ok := c.of(func(f *Figures) (float64, bool) { return float64(f.Readers), true })
	if !ok {
		return
	}
	wire := "readers " + place
	v := float64(c.now.Readers)
	switch low, high := u.bounds(share, few); {
	case v == 0 && u.least > 0 && u.median >= 5:
		c.trip(wire, "there is no reader at all; usual are %s", figure(u.median))
	case v < low, v > high:
		c.trip(wire, "%s readers; usual are %s, and %s to %s would do", figure(v), figure(u.median), figure(math.Ceil(low)), figure(math.Floor(high)))
	}
}

// mails compares what readers get.
func (c *comparison) mails(w schedule.Tripwires) {
	now := c.now
	if u, ok := c.of(func(f *Figures) (float64, bool) { return float64(f.Mails), true }); ok && w.Stories < 1 &&
		now.Mails == 0 && now.Readers > 0 && u.least > 0 && u.median >= 5 {
		c.trip("stories", "there is no story for any of %s readers; usual are %s mails", figure(float64(now.Readers)), figure(u.median))
		return
	}
	empty := func(f *Figures) (float64, bool) {
		return float64(f.Skipped) / float64(max(f.Mails+f.Skipped, 1)), f.Mails+f.Skipped >= few
	}
	if v, enough := empty(now); enough && w.Empty < 1 {
		if u, ok := c.of(empty); ok {
			if high := slices.Max(u.centres) + max(w.Empty, u.swing); v > high {
				c.trip("empty", "there is nothing for %s of the readers; usual are %s, and up to %s would do", percent(v), percent(u.median), percent(high))
			}
		}
	}
	each := func(f *Figures) (float64, bool) { return float64(f.Stories) / float64(max(f.Mails, 1)), f.Mails >= few }
	if v, enough := each(now); enough && w.Stories < 1 {
		if u, ok := c.of(each); ok {
			if low, high := u.bounds(w.Stories, 2); v < low || v > high {
				c.trip("stories", "%.1f stories a mail; usual are %.1f, and %.1f to %.1f would do", v, u.median, low, high)
			}
		}
	}
	distinct := func(f *Figures) (float64, bool) {
		return float64(f.Digests) / float64(max(f.Mails, 1)), f.Mails >= few
	}
	if v, enough := distinct(now); enough && w.Digests < 1 {
		if u, ok := c.of(distinct); ok && u.median*float64(now.Mails) >= few {
			if low, _ := u.bounds(w.Digests, 0); v < low {
				c.trip("digests", "%s different digests for %s mails, as if readers' choices were lost; usual are %s",
					figure(float64(now.Digests)), figure(float64(now.Mails)), figure(u.median*float64(now.Mails)))
			}
		}
	}
}

// feeds compares how much came in from where. Longer pauses between issues bring more.
func (c *comparison) feeds(share float64) {
	if share >= 1 || c.now.Feeds == nil {
		return
	}
	longer := c.longer()
	all := func(f *Figures) (n int) {
		for _, k := range f.Feeds {
			n += k
		}
		return n
	}
	names := map[string]bool{}
	for url := range c.now.Feeds {
		names[url] = true
	}
	for i := range c.past {
		for url := range c.past[i].Feeds {
			names[url] = true
		}
	}
	for _, url := range slices.Sorted(maps.Keys(names)) {
		u, ok := c.of(func(f *Figures) (float64, bool) { return float64(f.Feeds[url]), f.Feeds != nil })
		if !ok {
			continue
		}
		v := float64(c.now.Feeds[url])
		_, high := u.bounds(share, feedStories)
		high *= longer
		part, _ := c.of(func(f *Figures) (float64, bool) {
			return float64(f.Feeds[url]) / float64(max(all(f), 1)), f.Feeds != nil
		})
		switch {
		case v > high:
			c.trip("feed "+url, "%s new stories of %s; usual are %s, and up to %s would do", figure(v), url, figure(u.median), figure(math.Floor(high)))
		case v == 0 && u.least > 0 && u.median >= 5 && part.median >= feedShare:
			c.trip("feed "+url, "no new story of %s; usual are %s, which are %s of all", url, figure(u.median), percent(part.median))
		}
	}
}

// longer is how many times as long it is since the issue before as it usually is, 1 to 3.
func (c *comparison) longer() float64 {
	var spans []float64
	for i := range len(c.past) - 1 {
		spans = append(spans, c.past[i].Opened.Sub(c.past[i+1].Opened).Hours())
	}
	usual := median(spans)
	if usual <= 0 {
		return 1
	}
	return min(max(c.now.Opened.Sub(c.past[0].Opened).Hours()/usual, 1), 3)
}

// links looks where new stories lead.
func (c *comparison) links(share float64) {
	if share >= 1 || c.now.Hosts == nil {
		return
	}
	seen, before := map[string]bool{}, 0
	for i := range c.past {
		for host, n := range c.past[i].Hosts {
			seen[host] = true
			before += n
		}
	}
	sum, strange, nowhere := 0, 0, 0
	var hosts []string
	for _, host := range slices.Sorted(maps.Keys(c.now.Hosts)) {
		n := c.now.Hosts[host]
		sum += n
		switch {
		case seen[host]:
		case host == "":
			nowhere = n
		default:
			strange += n
			hosts = append(hosts, host)
		}
	}
	if sum < few/2 || before < few {
		return
	}
	if float64(nowhere) > share*float64(sum) {
		c.trip("links", "%d of %d new stories lead nowhere; none did in the last %d issues", nowhere, sum, len(c.past))
	}
	if float64(strange) > share*float64(sum) {
		where := strings.Join(hosts[:min(len(hosts), 3)], ", ")
		if len(hosts) > 3 {
			where += ", …"
		}
		c.trip("links", "%d of %d new stories lead to %s, where none of the last %d issues led", strange, sum, where, len(c.past))
	}
}

// sizes compares HTML parts.
func (c *comparison) sizes(share float64) {
	if share >= 1 || c.now.Mails < few {
		return
	}
	each := func(f *Figures) (float64, bool) { return float64(f.HTMLSize) / float64(max(f.HTML, 1)), f.HTML > 0 }
	if v, has := each(c.now); has {
		if u, ok := c.of(each); ok {
			if low, high := u.bounds(share, 8<<10); v < low || v > high {
				c.trip("size", "an HTML part has %s on average; usual are %s, and %s to %s would do", kib(v), kib(u.median), kib(low), kib(high))
			}
		}
	}
	near := func(f *Figures) (float64, bool) { return float64(f.Near) / float64(max(f.HTML, 1)), f.HTML > 0 }
	if v, has := near(c.now); has && v > 0.5 {
		if u, ok := c.of(near); ok && slices.Max(u.centres) < 0.1 {
			c.trip("size", "%s of the HTML parts are within 5 %% of %s, beyond which stories are left out; usual are %s", percent(v), kib(MaxHTML), percent(u.median))
		}
	}
}

func dayOf(f *Figures) time.Weekday {
	t, _ := time.Parse("2006-01-02 15:04", f.Local)
	return t.Weekday()
}

func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(list))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// figure is a number of things, a median of which may be half of one.
func figure(v float64) string {
	if v == math.Trunc(v) {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.1f", v)
}

func percent(v float64) string { return fmt.Sprintf("%.0f %%", 100*v) }

func kib(v float64) string { return fmt.Sprintf("%.0f KiB", v/1024) }
