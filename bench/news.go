package bench

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"broadsheet/stories"
)

// News makes n stories that came in over the day before now, oldest first, with the time of each
// one's arrival. Each lies in one or two of the sections, more of them in those most followed.
// Their words are a newspaper's, in no order that makes sense, so that no two tell of the same event.
func News(n, sections int, now time.Time) iter.Seq2[time.Time, stories.Story] {
	return func(yield func(time.Time, stories.Story) bool) {
		rnd := rand.New(rand.NewPCG(3, 4))
		for i := range n {
			at := now.Add(-20*time.Hour + time.Duration(i+1)*19*time.Hour/time.Duration(n+1))
			if !yield(at, story(i, sections, at, rnd)) {
				return
			}
		}
	}
}

func story(i, sections int, at time.Time, rnd *rand.Rand) stories.Story {
	url := fmt.Sprintf("https://www.lantern.example/%s/%02d/a-headline-with-its-words-%d", at.Format("2006/01/02"), i%24, i)
	s := stories.Story{GUID: url, URL: url, Canonical: url,
		Headline: sentence(rnd, 9), Lead: sentence(rnd, 17) + " " + sentence(rnd, 17),
		Byline: "By " + name(rnd) + " and " + name(rnd), City: cities[rnd.IntN(len(cities))], Agencies: []string{"Lantern Wire"},
		Published: at.Add(-10 * time.Minute), Words: 400 + rnd.IntN(900),
		Sections: []string{SectionID(i % sections)}}
	if i%3 == 1 { // with a picture
		s.Image = &stories.Image{URL: "https://pictures.lantern.example/1200/" + strconv.Itoa(100000+i) + ".jpg", Alt: sentence(rnd, 6), Width: 1200, Height: 675}
	}
	if i%3 == 0 { // also in one of the most followed
		if also := SectionID(rnd.IntN(min(8, sections))); also != s.Sections[0] {
			s.Sections = append(s.Sections, also)
		}
	}
	for range 8 {
		s.Blocks = append(s.Blocks, stories.Block{Type: "p", Text: sentence(rnd, 25) + " " + sentence(rnd, 20)})
	}
	return s
}

func sentence(rnd *rand.Rand, n int) string {
	var b strings.Builder
	for i := range n {
		w := words[rnd.IntN(len(words))]
		if i == 0 {
			w = strings.ToUpper(w[:1]) + w[1:]
		} else {
			b.WriteByte(' ')
		}
		b.WriteString(w)
	}
	b.WriteByte('.')
	return b.String()
}

func name(rnd *rand.Rand) string {
	return names[rnd.IntN(len(names))] + " " + names[rnd.IntN(len(names))]
}

var (
	cities = strings.Fields("London Paris Lagos Cairo Dubai Tokyo Lima Oslo Rome Boston Nairobi Delhi")
	names  = strings.Fields("Abara Okafor Lindqvist Moreau Haddad Whitlock Ferran Calloway Tupou Solheim Ines Ruth Tom Amal Jose Zoe")
	words  = strings.Fields(`a about across after again against agreement all allies almost also among an and announced another
approved are area around at back ballot bank barely be became because before began behind below between bill board bridge
brought budget business but by cabinet called came campaign can capital ceasefire central change chief children cities city
claim climate closed coalition coast coming commission company conference control cost could council country court crew
crossing crowd crude data day deal debate decided decision delay delegates demand deputy despite doctors dollars drought
early economy eight election emergency end energy engineers even every evidence exports factory fall families farmers
ferry festival few field final finance fire first five fleet flights flood for force forecast foreign former forty found four
from fuel further gained gas general glacier government grain growth guards half harbour has have he health heard hearing
heavy held help high hills hospital hours houses however hundred ice in industry inflation inquiry inside into island it
its judge judges jury keep known labour land largest last late launched law lawyers leader league leave less level lines
local long lost low made majority many march market mayor measure medicine meeting members merger mid-morning million
minister missing month more morning most mountain moved museum nation nearly never new next night nine no north not now
number of officers official oil old on once one only open opened opposition orchestra order other our out over pact parliament
part party passed patients peace people percent pilots pipeline plan plant players police port power president pressure
prices prime prison private profit promised proposal protest public quarter rail rain raised rate reached record reform
refused region report rescue research residents resigned result return rise river road rose round rule said sailors sales
same satellite school science season second security senate seven several share shipping shore shortage show side signed
since six small snow soldiers some south spring staff stage state station still storm strike students study summer supply
support surplus survey talks targets tax teachers team ten term than that the their them then there these they third this
those thousand three through time to today told tonne towards town trade train treaty trial troops turned twelve twenty two
under union until up uranium vaccine value vessel village visit vote voters wages warned was water weather week were west
what wheat when where which while who will wind winter with without witness women workers world would year years yesterday
yet young zone`)
)
