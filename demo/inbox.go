package demo

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// Inbox keeps the mail that the relay took, in memory. The zero value keeps everything;
// it may be used by many goroutines.
type Inbox struct {
	Limit int // most mails kept; the oldest go first; 0 = no limit

	mu      sync.Mutex
	mails   []Mail // in the order of arrival
	last    int
	dropped int
	moved   int // to other folders by their readers
	away    []Refusal
}

// Refusal is a recipient whom the relay did not take, once for each time it was asked.
type Refusal struct {
	Address string
	Code    int
	Text    string
	Times   int
}

// Add keeps a mail and gives it the next number, counted from 1.
func (b *Inbox) Add(from, to string, raw []byte) int {
	m := ParseMail(raw)
	m.Sender, m.Recipient, m.Arrived = from, to, time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	m.ID = b.last
	b.mails = append(b.mails, m)
	if over := len(b.mails) - b.Limit; b.Limit > 0 && over > 0 {
		b.mails = slices.Delete(b.mails, 0, over)
		b.dropped += over
	}
	return m.ID
}

// Get is a mail by its number; ok is false if there is none or it had to go.
func (b *Inbox) Get(id int) (m Mail, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, ok := slices.BinarySearchFunc(b.mails, id, func(m Mail, id int) int { return m.ID - id })
	if !ok {
		return Mail{}, false
	}
	return b.mails[i], true
}

// remove takes a mail out, as its reader does who moves it to another folder.
func (b *Inbox) remove(id int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mails = slices.DeleteFunc(b.mails, func(m Mail) bool { return m.ID == id })
	b.moved++
}

// Mails lists what is there, the newest Date first.
func (b *Inbox) Mails() []Mail {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := slices.Clone(b.mails)
	slices.SortStableFunc(list, func(x, y Mail) int {
		if c := y.Date.Compare(x.Date); c != 0 {
			return c
		}
		return y.ID - x.ID
	})
	return list
}

// Refusals lists the recipients whom the relay turned away, as often as it did.
func (b *Inbox) Refusals() []Refusal {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.away)
}

// Dropped counts the mails that had to go for the limit.
func (b *Inbox) Dropped() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dropped
}

// version changes with everything that the page shows.
func (b *Inbox) version() (mails, refusals int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.away {
		refusals += r.Times
	}
	return b.last + b.moved, refusals
}

func (b *Inbox) turnAway(address string, code int, text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, r := range b.away {
		if strings.EqualFold(r.Address, address) && r.Code == code {
			b.away[i].Times++
			return
		}
	}
	b.away = append(b.away, Refusal{Address: address, Code: code, Text: text, Times: 1})
}
