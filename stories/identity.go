package stories

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
	"time"
)

// pageScope is the Scope of saved article pages: one publication, whatever the file.
const pageScope = "page"

// titleWindow is how far apart two items known by their title alone may be sighted.
const titleWindow = 48 * time.Hour

// Keys lists the ways to recognise s, strongest first. Two items that share one are one story:
//
//   - guid: the same GUID in the same feed (Scope, else Source), and first of all with the same title:
//     a SharedGUID counts only so;
//   - global: the same GUID in any feed, if it is a URL or a tag URI (RFC 4151);
//   - url: the same canonical URL anywhere; Canonical is "" where a URL is no identity;
//   - title: for items with neither, the same title in one feed within 48 hours;
//     and for a saved page, whose clock may change, its own time with its headline;
//   - text: for an item with none of these, the same text; and for one known by its title, the same
//     title, text and date in one feed.
//
// There is always at least one.
func Keys(s *Story) []Key {
	scope := s.Scope
	if scope == "" {
		scope = s.Source
	}
	var keys []Key
	if s.GUID != "" {
		keys = append(keys, key("guid", 0, scope, s.GUID, name(s)))
	}
	if s.GUID != "" && !s.SharedGUID {
		keys = append(keys, key("guid", 0, scope, s.GUID))
		if isGlobal(s.GUID) {
			keys = append(keys, key("global", 0, s.GUID))
		}
	}
	if s.Canonical != "" {
		keys = append(keys, key("url", 0, s.Canonical))
	}
	title := fold(s.Headline)
	switch {
	case len(keys) > 0:
	case title != "" && s.Scope == pageScope && !s.Published.IsZero():
		keys = append(keys, key("title", 0, scope, title, s.Published.UTC().Format(time.RFC3339)))
	case title != "" && s.Scope != pageScope:
		keys = append(keys, key("title", titleWindow, scope, title))
		if text := fold(s.text()); text != "" || s.PublishedRaw != "" {
			keys = append(keys, key("text", 0, scope, title, text, s.PublishedRaw))
		}
	default:
		keys = append(keys, key("text", 0, fold(s.Headline), fold(s.text())))
	}
	return keys
}

// PushScope is the scope of stories that a newsroom's own system hands over, under ids of its own.
const PushScope = "push"

// PushKey is the key of the story that a newsroom's own system calls so.
func PushKey(externalID string) Key { return key("guid", 0, PushScope, externalID) }

// name is what tells a story from others where its GUID does not: its title, else its text, else its link.
func name(s *Story) string {
	return cmp.Or(fold(s.Headline), fold(s.text()), s.URL)
}

func key(kind string, window time.Duration, parts ...string) Key {
	return Key{Kind: kind, Value: sum(append([]string{kind}, parts...)...), Window: window}
}

// sum hashes parts to 32 hex characters; no two lists of parts run into each other.
func sum(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		var n [8]byte
		for i, l := 0, len(p); i < 8; i++ {
			n[i] = byte(l >> (8 * i))
		}
		h.Write(n[:])
		h.Write([]byte(p))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// isGlobal says whether a GUID is unique beyond its feed: a URL with more than a host, or a tag URI.
func isGlobal(guid string) bool {
	if strings.HasPrefix(guid, "tag:") {
		return strings.Contains(guid, ",")
	}
	u, err := url.Parse(guid)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && (len(u.Path) > 1 || u.RawQuery != "" || u.Fragment != "")
}

// Hash tells one wording of a story from another: headline, byline, lead and text, without regard to
// white space, typographic quotes, dates or where its links and pictures point. 32 hex characters.
func (s *Story) Hash() string {
	return sum("wording", same(s.Headline), same(s.Byline), strings.Join(s.Authors, "\n"), same(s.Lead), same(s.text()), same(strings.Join(s.Extra, "\n")))
}

func same(s string) string {
	return quotes.Replace(strings.Join(strings.Fields(s), " "))
}

func (s *Story) text() string {
	var b strings.Builder
	for _, bl := range s.Blocks {
		b.WriteString(bl.Type + " " + bl.Text + "\n")
	}
	if b.Len() == 0 {
		return s.Lead
	}
	return b.String()
}

// tracking are the query keys that say how a reader came, not what is read; those that end in '*' are
// prefixes. Keys are compared in lower case.
var tracking = []string{"utm_*", "mtm_*", "pk_*", "piwik_*", "hsa_*", "at_*", "xtor*", "ns_*", "mc_*", "oly_*", "vero_*", "wt_*", "_hs*", "ito", "cmp",
	"fbclid", "gclid", "gclsrc", "dclid", "gbraid", "wbraid", "msclkid", "yclid", "ysclid", "twclid", "ttclid", "igshid", "igsh", "li_fat_id", "mkt_tok",
	"s_cid", "smid", "smtyp", "partner", "ocid", "ncid", "cmpid", "campaign_id", "feedtype", "ftag", "rss", "ref_src", "ref_url", "spm", "trk", "_ga",
	"_gl", "guccounter", "guce_referrer", "guce_referrer_sig", "wkey", "wprov", "sref", "cvid", "share", "amp", "emc", "src_medium", "echobox"}

// trackingValues are keys that track only with some values: "source=rss-103cb4…" is where the reader
// came from, "source=senate" may well be what is read.
var trackingValues = map[string][]string{
	"source":   {"rss", "feed", "twitter", "facebook", "newsletter", "email"},
	"src":      {"rss", "feed", "twitter", "facebook", "newsletter", "email"},
	"ref":      {"rss", "feed", "twitter", "facebook", "newsletter", "email", "homepage"},
	"from":     {"rss", "feed"},
	"via":      {"rss", "feed"},
	"cid":      {"rss", "feed"},
	"medium":   {"rss", "feed"},
	"format":   {"amp"},
	"output":   {"amp"},
	"campaign": {"rss", "feed"},
}

func isTracking(k, v string) bool {
	k, v = strings.ToLower(k), strings.ToLower(v)
	for _, t := range tracking {
		if p, ok := strings.CutSuffix(t, "*"); ok && strings.HasPrefix(k, p) || t == k {
			return true
		}
	}
	return slices.ContainsFunc(trackingValues[k], func(p string) bool {
		return v == p || strings.HasPrefix(v, p+"-") || strings.HasPrefix(v, p+"_")
	})
}

// Canonical returns the form of a URL in which it identifies a story: scheme and host in lower case,
// https and http alike, no default port, fragment or tracking, the query sorted, percent-codes in one
// form, no slash at the end. It is for comparing, not for following. A text that is no http or https
// URL gives "". A fragment that is an address of its own ("#!/story/1") stays.
func Canonical(raw string) string {
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil || u.Host == "" || u.User != nil {
		return ""
	}
	u.Scheme = strings.ToLower(u.Scheme)
	if u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port := u.Port(); port != "" && !(port == "80" && u.Scheme == "http") && !(port == "443" && u.Scheme == "https") {
		host += ":" + port
	}
	path := u.EscapedPath()
	if p, err := url.PathUnescape(path); err == nil {
		path = (&url.URL{Path: p}).EscapedPath()
	}
	path = strings.TrimRight(path, "/")
	out := "https://" + host + path
	if q := canonicalQuery(u.RawQuery); q != "" {
		out += "?" + q
	}
	if strings.HasPrefix(u.Fragment, "!") || strings.HasPrefix(u.Fragment, "/") {
		out += "#" + u.EscapedFragment()
	}
	return out
}

// canonicalQuery keeps what does not track, sorted by key; the order of values of one key stays.
func canonicalQuery(raw string) string {
	type pair struct{ k, v string }
	var pairs []pair
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		k, v, _ := strings.Cut(part, "=")
		if d, err := url.QueryUnescape(k); err == nil {
			k = d
		}
		if d, err := url.QueryUnescape(v); err == nil {
			v = d
		}
		if !isTracking(k, v) {
			pairs = append(pairs, pair{k, v})
		}
	}
	slices.SortStableFunc(pairs, func(a, b pair) int { return strings.Compare(a.k, b.k) })
	var b strings.Builder
	for _, p := range pairs {
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(p.k))
		if p.v != "" {
			b.WriteString("=" + url.QueryEscape(p.v))
		}
	}
	return b.String()
}

// distinct keeps one of those items of a document that are one story: the latest by its dates, else the first.
// Otherwise two wordings that stand side by side would revise each other at every fetch.
func distinct(list []Story) []Story {
	var out []Story
	at := map[string]int{}
	for i := range list {
		keys := Keys(&list[i])
		j := -1
		for _, k := range keys {
			if n, ok := at[k.Value]; ok {
				j = n
				break
			}
		}
		if j < 0 {
			j = len(out)
			out = append(out, list[i])
		} else {
			older, newer := out[j], list[i]
			if !latest(&newer).After(latest(&older)) {
				older, newer = newer, older
			}
			for _, id := range older.Sections {
				newer.Sections = addOnce(newer.Sections, id)
			}
			out[j] = newer
		}
		for _, k := range keys {
			at[k.Value] = j
		}
	}
	return out
}

func latest(s *Story) time.Time {
	if s.Updated.After(s.Published) {
		return s.Updated
	}
	return s.Published
}

// clearShared finds addresses that do not identify a story: the feed's own home page, a bare host, and one that
// stories of one document with different names share. Such a link loses its Canonical, and such a GUID is
// marked. A link is shared as well where the GUIDs differ.
func clearShared(list []Story, home string) {
	names := make([]string, len(list)) // filled as needed
	differ := func(i, j int) bool {
		for _, n := range []int{i, j} {
			if names[n] == "" {
				names[n] = name(&list[n])
			}
		}
		return names[i] != names[j]
	}
	guids, links := map[string]int{}, map[string]int{} // the first story that has it
	sharedGUID, sharedLink := map[string]bool{}, map[string]bool{}
	for i := range list {
		s := &list[i]
		if j, seen := guids[s.GUID]; !seen {
			guids[s.GUID] = i
			sharedGUID[s.GUID] = isHome(Canonical(s.GUID), home)
		} else if s.GUID != "" && !sharedGUID[s.GUID] {
			sharedGUID[s.GUID] = differ(i, j)
		}
		if j, seen := links[s.Canonical]; !seen {
			links[s.Canonical] = i
			sharedLink[s.Canonical] = isHome(s.Canonical, home)
		} else if s.Canonical != "" && !sharedLink[s.Canonical] {
			sharedLink[s.Canonical] = list[j].GUID != s.GUID || differ(i, j)
		}
	}
	for i := range list {
		s := &list[i]
		s.SharedGUID = s.GUID != "" && sharedGUID[s.GUID]
		if sharedLink[s.Canonical] {
			s.Canonical = ""
		}
	}
}

// isHome says whether a canonical URL is the home page or that of a host.
func isHome(c, home string) bool {
	return c != "" && (c == home || strings.Count(c, "/") == 2 && !strings.ContainsAny(c, "?#"))
}
