package stories

import (
	"regexp"
	"slices"
	"strings"

	"github.com/mmcdole/gofeed"
)

// agencies are news agencies by their names and short forms, folded.
var agencies = map[string]string{
	"reuters": "Reuters", "thomson reuters": "Reuters", "ap": "AP", "associated press": "AP", "the associated press": "AP", "ap news": "AP",
	"afp": "AFP", "agence france-presse": "AFP", "agence france presse": "AFP", "dpa": "dpa", "dpa international": "dpa", "deutsche presse-agentur": "dpa",
	"upi": "UPI", "united press international": "UPI", "pa": "PA", "pa media": "PA", "press association": "PA", "efe": "EFE", "agencia efe": "EFE",
	"ansa": "ANSA", "tass": "TASS", "itar-tass": "TASS", "interfax": "Interfax", "ria novosti": "RIA Novosti", "xinhua": "Xinhua", "kyodo": "Kyodo",
	"kyodo news": "Kyodo", "jiji": "Jiji", "jiji press": "Jiji", "yonhap": "Yonhap", "bloomberg": "Bloomberg", "bloomberg news": "Bloomberg",
	"pti": "PTI", "press trust of india": "PTI", "ani": "ANI", "ians": "IANS", "wam": "WAM", "emirates news agency": "WAM", "spa": "SPA",
	"saudi press agency": "SPA", "mena": "MENA", "anadolu": "Anadolu", "anadolu agency": "Anadolu", "apa": "APA", "ats": "ATS", "keystone-sda": "Keystone-SDA",
	"belga": "Belga", "anp": "ANP", "tt": "TT", "ntb": "NTB", "ritzau": "Ritzau", "stt": "STT", "lusa": "Lusa", "pap": "PAP", "ctk": "ČTK", "mti": "MTI",
	"aap": "AAP", "australian associated press": "AAP", "canadian press": "The Canadian Press", "the canadian press": "The Canadian Press",
	"antara": "Antara", "bernama": "Bernama", "irna": "IRNA", "petra": "Petra", "sid": "SID", "agencies": "Agencies", "wire": "Agencies",
	"رويترز": "Reuters", "أ ف ب": "AFP", "فرانس برس": "AFP", "وكالات": "Agencies", "وام": "WAM", "واس": "SPA", "الأناضول": "Anadolu",
}

var byPrefix = regexp.MustCompile(`(?i)^(?:by|von|par|por|di|door)\s+`)
var emailed = regexp.MustCompile(`^\S+@\S+\.\S+$`)

// people sorts the names an item gives into authors and agencies.
func (s *Story) people(item *gofeed.Item, source string) {
	var names []string
	for _, p := range item.Authors {
		if p == nil {
			continue
		}
		if p.Name != "" {
			names = append(names, p.Name)
		}
	}
	if len(names) == 0 && item.DublinCoreExt != nil {
		names = append(names, item.DublinCoreExt.Creator...)
	}
	if dc := item.DublinCoreExt; dc != nil && len(dc.Creator) > 1 {
		names = append(names, dc.Creator...)
	}
	var written []string
	for _, n := range names {
		n = plain(n)
		if n == "" || slices.Contains(written, n) {
			continue
		}
		written = append(written, n)
		s.sort(n)
	}
	s.Byline = line(strings.Join(written, ", "))
	for _, part := range splitNames(plain(source)) {
		if a, ok := agencies[fold(part)]; ok && !slices.Contains(s.Agencies, a) {
			s.Agencies = append(s.Agencies, a)
		}
	}
}

// sort puts the names of one line where they belong: "By Jane Doe and John Roe, Reuters".
func (s *Story) sort(names string) {
	for _, n := range splitNames(byPrefix.ReplaceAllString(names, "")) {
		if a, ok := agencies[fold(n)]; ok {
			if !slices.Contains(s.Agencies, a) {
				s.Agencies = append(s.Agencies, a)
			}
			continue
		}
		if !emailed.MatchString(n) && !slices.Contains(s.Authors, n) && len(s.Authors) < 50 {
			s.Authors = append(s.Authors, n)
		}
	}
}

var nameBreak = regexp.MustCompile(`\s*(?:,|;|\s/\s|\||\s&\s|\s+and\s+|\s+und\s+|\s+-\s+|\s+–\s+|،)\s*`)

func splitNames(s string) []string {
	var out []string
	for _, p := range nameBreak.Split(s, -1) {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}
