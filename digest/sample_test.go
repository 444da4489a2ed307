package digest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"broadsheet/mailer"
	"broadsheet/schedule"
	"broadsheet/stories"
	"broadsheet/subscribers"
	"broadsheet/templates"
)

// A publication that does not exist, its stories and a mail of it.

var (
	sampleDue  = time.Date(2026, 4, 2, 6, 0, 0, 0, time.UTC)
	sampleZone = "Europe/Berlin"
)

func sampleConfig() *schedule.Config {
	return &schedule.Config{
		Publication: schedule.Publication{
			Name: "The Meridian Post", Tagline: "News from where the day begins",
			FromName: "The Meridian Post", From: "digest@meridian.example", ReplyTo: "letters@meridian.example",
			PostalAddress: "The Meridian Post\n14 Quay Street\nLondon E1 2AB", PublicURL: "https://news.meridian.example",
			Language: "en",
			Cities: []schedule.City{{Name: "Abu Dhabi", Zone: "Asia/Dubai"}, {Name: "London", Zone: "Europe/London"},
				{Name: "New York", Zone: "America/New_York"}},
		},
		Sections: []schedule.Section{{ID: "politics", Name: "Politics"}, {ID: "business", Name: "Business & Markets"},
			{ID: "science", Name: "Science"}, {ID: "sport", Name: "Sport"}, {ID: "arabic", Name: "أخبار عربية"}, {ID: "culture", Name: "ثقافة"}},
	}
}

func sampleEdition() schedule.Edition {
	return schedule.Edition{Name: "morning", Title: "Morning Edition", Zone: "reader", Stories: 12}
}

func sampleIssue() *Issue {
	return &Issue{ID: 7, Edition: "morning", EditionID: 3, Slot: "2026-04-02", SlotID: 41, Zone: sampleZone, Hour: 8,
		Local: "2026-04-02 08:00", Due: sampleDue, Next: sampleDue.Add(24 * time.Hour), Opened: sampleDue}
}

func sampleDelivery() *mailer.Delivery {
	return &mailer.Delivery{Issue: 7, Slot: 41, Subscriber: 1001, Digest: 5, Address: "ada+news@reader.example",
		Date: sampleDue.Add(3 * time.Second), KeyID: "k1"}
}

func sampleKeys(t testing.TB) *subscribers.Keys {
	t.Helper()
	k, err := subscribers.ParseKeys("k1:" + strings.Repeat("A", 43) + "=")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func samplePress(t testing.TB, c *schedule.Config, e schedule.Edition) *Press {
	t.Helper()
	set, err := templates.Load("")
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPress(c, e, set)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// shelf holds stories by revision.
type shelf map[int64]*stories.Story

func (s shelf) story(revision int64) (*stories.Story, error) {
	if st := s[revision]; st != nil {
		return st, nil
	}
	return nil, fmt.Errorf("no revision %d", revision)
}

// put gives a story its ids and returns it as chosen.
func (s shelf) put(st stories.Story) Pick {
	id := int64(len(s) + 1)
	st.ID, st.Revision = id, id+100
	s[st.Revision] = &st
	return Pick{Story: st.ID, Revision: st.Revision}
}

func ago(d time.Duration) time.Time { return sampleDue.Add(-d) }

func photo(n, w, h int, alt, credit string) *stories.Image {
	return &stories.Image{URL: fmt.Sprintf("https://img.meridian.example/%d.jpg?w=1200&q=80", n), Alt: alt, Width: w, Height: h, Credit: credit}
}

// morning is an ordinary digest.
func morning() (shelf, *Selection) {
	s := shelf{}
	sel := &Selection{Language: "en", Zone: sampleZone, Sections: []Picked{
		{Section: "politics", More: 3, Stories: []Pick{
			s.put(stories.Story{Headline: "Coastal towns win a say over the harbour plan after a night of votes", Authors: []string{"Ines Okafor", "Tom Hallgrim"},
				City: "London", Agencies: []string{"Meridian Wire"}, Published: ago(4 * time.Hour), Updated: ago(70 * time.Minute), Words: 812,
				Lead:  "Eleven councils along the estuary will be able to stop the new terminal, members decided shortly before dawn. The government called the vote “a detour, not an end” and promised a new draft before the summer. A third sentence is not needed here.",
				Image: photo(1, 1200, 675, "Cranes over the estuary at first light", "L. Marsh")}),
			s.put(stories.Story{Headline: "Minister drops the ferry levy", Authors: []string{"Ruth Abara"}, City: "Lisbon", Published: ago(9 * time.Hour), Words: 430,
				Lead: "Islanders had called the charge of two euros a crossing a tax on going home. It would have started in May."}),
			s.put(stories.Story{Headline: "Who may vote at sixteen? Six countries, six answers, and one court that has yet to speak", Desk: "Explainer desk", Published: ago(30 * time.Hour), Words: 1490,
				Lead: "From this spring on, two more countries let people of sixteen vote.", Image: photo(2, 800, 800, "A polling station", "")}),
		}},
		{Section: "business", More: 1, Stories: []Pick{
			s.put(stories.Story{Headline: "Bread prices fall for the first time in three years", City: "Cairo", Agencies: []string{"Nile News Agency", "Meridian Wire"}, Published: ago(2 * time.Hour), Words: 388,
				Lead: "A good harvest and cheaper freight have reached the shelves at last.", Image: photo(3, 900, 600, "Loaves on a market stall", "")}),
			s.put(stories.Story{Headline: "The bank that lends to beekeepers", Authors: []string{"Joana Prado"}, Published: ago(5 * time.Hour), Words: 640,
				Lead: "It began with forty hives and a typing error. Now it is the valley’s largest lender."}),
		}},
		{Section: "science", More: 0, Stories: []Pick{
			s.put(stories.Story{Headline: "A telescope the size of a valley hears its first star 🔭", Authors: []string{"M. Lindqvist"}, City: "Atacama", Published: ago(11 * time.Hour), Words: 910,
				Lead: "Four thousand wire aerials, strung by hand over two winters, picked up a pulse from a star that is 900 light-years away.", Image: photo(4, 600, 900, "", "")}),
			s.put(stories.Story{Headline: "Why geckos do not get lost", Published: ago(20 * time.Hour), Byline: "By our science staff", Words: 210,
				Lead: "They count their steps."}),
		}},
		{Section: "sport", More: 12, Stories: []Pick{
			s.put(stories.Story{Headline: "Late try sends Porthaven through", City: "Cardiff", Published: ago(10 * time.Hour), Words: 350,
				Lead: "Eighty-one minutes gone, and still nobody had left the ground."}),
		}},
	}}
	return s, sel
}

// arabic is a digest from right to left, with a story in English in it.
func arabic() (shelf, *Selection) {
	s := shelf{}
	sel := &Selection{Language: "ar", Zone: "Asia/Dubai", Sections: []Picked{
		{Section: "arabic", More: 2, Stories: []Pick{
			s.put(stories.Story{Headline: "المدن الساحلية تنال حق الاعتراض على خطة الميناء بعد ليلة طويلة من التصويت", Authors: []string{"ليلى حداد", "Tom Hallgrim"}, Language: "ar",
				City: "أبوظبي", Agencies: []string{"Meridian Wire"}, Published: ago(4 * time.Hour), Updated: ago(70 * time.Minute), Words: 640,
				Lead:  "ستتمكن إحدى عشرة بلدية على ضفاف المصب من وقف بناء المحطة الجديدة. وقالت الحكومة إنها ستقدم مسودة جديدة قبل الصيف. جملة ثالثة لا حاجة إليها.",
				Image: photo(1, 1200, 675, "رافعات فوق المصب عند الفجر", "ل. مارش")}),
			s.put(stories.Story{Headline: "انخفاض أسعار الخبز للمرة الأولى منذ ثلاث سنوات", Language: "ar", City: "القاهرة", Published: ago(2 * time.Hour), Words: 388,
				Lead: "وصل أثر الحصاد الجيد وانخفاض أجور الشحن إلى الأسواق أخيرًا؟ نعم، يقول التجار.", Image: photo(3, 900, 600, "", "")}),
			s.put(stories.Story{Headline: "Bread prices fall for the first time in three years", Language: "en", Authors: []string{"Ruth Abara"}, City: "Cairo", Published: ago(50 * time.Hour), Words: 120,
				Lead: "A good harvest and cheaper freight have reached the shelves at last."}),
		}},
		{Section: "culture", More: 0, Stories: []Pick{
			s.put(stories.Story{Headline: "متحف صغير يفتح أبوابه ليلًا", Language: "ar", Published: ago(200 * time.Hour), Words: 2600, Lead: "يمكن للزوار أن يأتوا بفوانيسهم."}),
		}},
	}}
	return s, sel
}

// hostile is a digest of stories that want to break out.
func hostile() (shelf, *Selection) {
	s := shelf{}
	sel := &Selection{Language: "en", Zone: "America/New_York", Sections: []Picked{
		{Section: "politics", More: 1, Stories: []Pick{
			s.put(stories.Story{Headline: "Minister:\r\nBcc: everyone@reader.example\r\n\r\n<script>alert(1)</script> & \"quotes\" {{.}} $1 ${x} %s %0a",
				Authors: []string{"<b>Bold</b>", "\x01v0\x02", "A\u202eB"}, City: "\x01l1;9;\x02", Published: ago(time.Hour), Words: 10,
				Lead:  "</p></td></table></body></html><img src=x onerror=alert(1)>. {{template \"head\"}} 'single' =3D=\r\n.\r\n--=_broadsheet_alternative--\r\nFrom here on.",
				Image: &stories.Image{URL: "https://img.meridian.example/a.jpg?\"><script>alert(2)</script>", Alt: "\"><script>", Credit: "<i>x</i>"}}),
			s.put(stories.Story{Headline: ".hidden file starts with a dot", Lead: ".And so does its lead. From the start.", Published: ago(-3 * time.Hour)}),
			s.put(stories.Story{Headline: "From the desk of nobody", Lead: "From nobody to everybody. =?utf-8?q?encoded?= words.", Words: 1}),
			s.put(stories.Story{Headline: "Long " + strings.Repeat("headline that does not end ", 380), Lead: strings.Repeat("x", 5000), Published: ago(time.Hour)}),
			s.put(stories.Story{Headline: strings.Repeat("Donaudampfschifffahrtsgesellschaftskapitän", 8), Lead: "One word.", Image: &stories.Image{URL: "javascript:alert(3)"}}),
			s.put(stories.Story{Headline: "Z\u0341" + strings.Repeat("\u0341\u0342\u0343", 900) + "algo", Language: "en\"><script>", Lead: "Marks upon marks."}),
			s.put(stories.Story{Headline: "👩‍👩‍👧‍👦🏳️‍🌈 families 👩🏽‍🚀", Lead: "Emoji 🎉 in the lead 🎊."}),
			s.put(stories.Story{Headline: "\xff\xfe broken \x00 bytes \u2028 lines", Lead: "\x01s0\x02 \x01u7;0;\x02"}),
		}},
	}}
	return s, sel
}
