package demo

import (
	"slices"
	"time"

	"broadsheet/subscribers"
)

// Reader is somebody invented who reads the demo's digests.
type Reader struct {
	subscribers.Settings
	Suppression *subscribers.Suppression // nil = none
	Rule        Rule                     // how the relay treats the address
	Back        Back                     // what comes back of a mail that the relay took
	Note        string                   // what this reader is there to show
}

// Editions are names of editions in schedule.yaml, by what the demo means by them. An edition
// that is not there is "", and its readers get the one in readers' zones.
type Editions struct {
	AbuDhabi, London, NewYork string
	Readers                   string // the edition with zone: reader
}

// ShippedEditions are the names in the schedule.yaml that comes with the program.
func ShippedEditions() Editions {
	return Editions{AbuDhabi: "abu-dhabi", London: "london", NewYork: "new-york", Readers: "briefing"}
}

// Rules are the relay's rules for the readers, as [StartRelay] takes them.
func Rules(readers []Reader) map[string]Rule {
	rules := map[string]Rule{}
	for _, r := range readers {
		if r.Rule != Take {
			rules[r.Address] = r.Rule
		}
	}
	return rules
}

// Readers are the demo's readers. They gave their consent some weeks before now. No two
// follow the same sections in the same order.
func Readers(now time.Time, editions Editions) []Reader {
	const (
		less  = subscribers.Less
		muted = subscribers.Muted
	)
	follow := func(ids ...string) []subscribers.Follow {
		var list []subscribers.Follow
		for _, id := range ids {
			f := subscribers.Follow{Section: id, Level: subscribers.Normal}
			switch id[0] {
			case '~':
				f = subscribers.Follow{Section: id[1:], Level: less}
			case '-':
				f = subscribers.Follow{Section: id[1:], Level: muted}
			}
			list = append(list, f)
		}
		return list
	}
	edition := func(name string) []string {
		if name == "" {
			name = editions.Readers
		}
		return []string{name}
	}
	week := []int{1, 2, 3, 4, 5}
	list := []Reader{
		{Note: "the Gulf edition, politics first", Settings: subscribers.Settings{
			Name: "Amal Haddad", Address: "amal.haddad@post.example", Zone: "Asia/Dubai", Language: "en", Hour: -1,
			Editions: edition(editions.AbuDhabi), Sections: follow("politics", "world", "business", "~sport")}},
		{Note: "reads in Arabic", Settings: subscribers.Settings{
			Name: "سلمى الكيلاني", Address: "salma@bareed.example", Zone: "Africa/Cairo", Language: "ar", Hour: 7,
			Editions: edition(editions.Readers), Sections: follow("world", "culture", "science", "health", "business")}},
		{Note: "reads in Arabic, text only", Settings: subscribers.Settings{
			Name: "يوسف المنصوري", Address: "yousef@bareed.example", Zone: "Asia/Dubai", Language: "ar", Hour: -1,
			Editions: edition(editions.AbuDhabi), Sections: follow("business", "sport", "world", "technology"), Format: subscribers.Text}},
		{Note: "the London edition, no sport at all", Settings: subscribers.Settings{
			Name: "Tom Whitlock", Address: "tom@whitlock.example", Zone: "Europe/London", Language: "en", Hour: -1,
			Editions: edition(editions.London), Sections: follow("culture", "politics", "world", "~business", "-sport")}},
		{Note: "the New York edition, business first; answers", Back: Answers, Settings: subscribers.Settings{
			Name: "Grace Okonjo", Address: "grace.okonjo@post.example", Zone: "America/New_York", Language: "en", Hour: -1,
			Editions: edition(editions.NewYork), Sections: follow("business", "technology", "politics", "~culture")}},
		{Note: "a zone half an hour off; away, and says so", Back: Away, Settings: subscribers.Settings{
			Name: "Nikhil Rao", Address: "nikhil@rao.example", Zone: "Asia/Kolkata", Language: "en", Hour: 6,
			Editions: edition(editions.Readers), Sections: follow("technology", "science", "sport", "~world")}},
		{Note: "text only", Settings: subscribers.Settings{
			Name: "Hana Mori", Address: "hana@mori.example", Zone: "Asia/Tokyo", Language: "en", Hour: 8,
			Editions: edition(editions.Readers), Sections: follow("science", "health", "culture"), Format: subscribers.Text}},
		{Note: "gets two editions", Settings: subscribers.Settings{
			Name: "Ruth Calloway", Address: "ruth@calloway.example", Zone: "Australia/Sydney", Language: "en", Hour: 6,
			Editions: append(edition(editions.Readers), edition(editions.London)...), Sections: follow("world", "sport", "business", "culture", "science")}},
		{Note: "one section and nothing else; asks to leave in words", Back: AsksToLeave, Settings: subscribers.Settings{
			Name: "Diego Ferran", Address: "diego@ferran.example", Zone: "America/Los_Angeles", Language: "en", Hour: 7,
			Editions: edition(editions.Readers), Sections: follow("sport")}},
		{Note: "greylisted at the first try, and a mailbox that is slow", Rule: Greylist, Back: Late, Settings: subscribers.Settings{
			Name: "Ingrid Solheim", Address: "ingrid@slowpost.example", Zone: "Europe/Oslo", Language: "en", Hour: 7,
			Editions: edition(editions.Readers), Sections: follow("health", "science", "~politics", "world")}},
		{Note: "no such mailbox", Rule: Refuse, Settings: subscribers.Settings{
			Name: "Peter Lang", Address: "peter.lang@gone.example", Zone: "Europe/Berlin", Language: "en", Hour: 6,
			Editions: edition(editions.Readers), Sections: follow("politics", "business")}},
		{Note: "a mailbox that is full", Rule: Full, Settings: subscribers.Settings{
			Name: "Beatriz Amado", Address: "beatriz@full.example", Zone: "America/Sao_Paulo", Language: "en", Hour: 8,
			Editions: edition(editions.Readers), Sections: follow("culture", "sport", "technology")}},
		{Note: "the relay takes it, and there is no such mailbox", Back: NoMailbox, Settings: subscribers.Settings{
			Name: "Olena Hrytsenko", Address: "olena@moved.example", Zone: "Europe/Kyiv", Language: "en", Hour: 7,
			Editions: edition(editions.Readers), Sections: follow("science", "world", "~sport")}},
		{Note: "the relay takes it, and the mailbox is full", Back: OverQuota, Settings: subscribers.Settings{
			Name: "Kofi Mensah", Address: "kofi@brimful.example", Zone: "Africa/Accra", Language: "en", Hour: 8,
			Editions: edition(editions.Readers), Sections: follow("sport", "business", "world")}},
		{Note: "a house that wants no mail from us", Back: Unwanted, Settings: subscribers.Settings{
			Name: "Lin Xiaomei", Address: "lin@gated.example", Zone: "Asia/Singapore", Language: "en", Hour: 7,
			Editions: edition(editions.Readers), Sections: follow("technology", "business", "~culture")}},
		{Note: "a server that takes small mails only", Back: TooLarge, Settings: subscribers.Settings{
			Name: "Aroha Ngata", Address: "aroha@narrow.example", Zone: "Pacific/Auckland", Language: "en", Hour: 7,
			Editions: edition(editions.Readers), Sections: follow("culture", "health", "science", "world")}},
		{Note: "presses \"this is spam\", so that the mail is in the inbox no more", Back: Spam, Settings: subscribers.Settings{
			Name: "Piotr Zielony", Address: "piotr@zielony.example", Zone: "Europe/Warsaw", Language: "en", Hour: 8,
			Editions: edition(editions.Readers), Sections: follow("politics", "sport", "~business")}},
		{Note: "leaves by the mail program's own button", Back: Leaves, Settings: subscribers.Settings{
			Name: "Camille Dufour", Address: "camille@dufour.example", Zone: "Europe/Paris", Language: "en", Hour: 7,
			Editions: edition(editions.Readers), Sections: follow("culture", "politics", "health")}},
		{Note: "once complained, so barred", Suppression: &subscribers.Suppression{
			Reason: "complaint", Note: "marked a digest as spam", At: now.Add(-9 * 24 * time.Hour)}, Settings: subscribers.Settings{
			Name: "Leo Marchetti", Address: "leo@marchetti.example", Zone: "Europe/Rome", Language: "en", Hour: 7,
			Editions: edition(editions.Readers), Sections: follow("world", "health", "~technology")}},
		{Note: "has not confirmed", Settings: subscribers.Settings{Status: subscribers.Pending,
			Name: "Wanjiru Kamau", Address: "wanjiru@kamau.example", Zone: "Africa/Nairobi", Language: "en", Hour: 7,
			Editions: edition(editions.Readers), Sections: follow("world", "technology", "business")}},
		{Note: "on a break", Settings: subscribers.Settings{Status: subscribers.Paused,
			Name: "Mele Tupou", Address: "mele@tupou.example", Zone: "Pacific/Auckland", Language: "en", Hour: 6,
			Editions: edition(editions.Readers), Sections: follow("culture", "world", "~health"), Days: week}},
	}
	for i := range list {
		r := &list[i]
		r.Editions = slices.Compact(r.Editions) // two may fall together where editions are few
		if r.Status == "" {
			r.Status = subscribers.Active
		}
		if r.Format == "" {
			r.Format = subscribers.HTML
		}
		if r.Suppression != nil {
			r.Suppression.Address = r.Address
		}
		if r.Status != subscribers.Pending {
			r.ConsentSource = "demo sign-up page"
			r.ConsentAt = now.Add(-time.Duration(20+i) * 24 * time.Hour).UTC().Truncate(time.Second)
		}
	}
	return list
}
