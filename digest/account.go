package digest

import (
	"cmp"
	"slices"
)

// telling lists the reasons by how much they say: of several verdicts on one story the first counts.
var telling = []Reason{Sent, OverCap, LessLimit, Unmailed, Duplicate, Muted, SeenBefore, TooOld, OtherLanguage, Unfit, Withdrawn, Embargoed,
	NotYet, Earlier, BeforeFirst, NotDrawn, NotFollowed, Elsewhere}

// Account says of every story that verdicts speak of one thing alone: why the digest with these items
// has it or has not. Items count as sent whatever the verdicts say, and nothing else does; with none
// there was no mail. Reasons come in one fixed order, within one the items as they stand in the digest and
// other stories by arrival, the latest first.
func Account(verdicts []Verdict, items []Item) []Verdict {
	place := make(map[int64]int, len(items)) // of items, by story
	list := make([]Verdict, 0, len(verdicts))
	at := make(map[int64]int, len(verdicts)) // in list, by story
	for n, item := range items {
		place[item.Story], at[item.Story] = n, n
		list = append(list, Verdict{Story: item.Story, Revision: item.Revision, Section: item.Section, Reason: Sent})
	}
	for _, v := range verdicts {
		n, met := at[v.Story]
		if met && list[n].Reason == Sent {
			if v.Section == list[n].Section {
				list[n].Arrival = v.Arrival
			}
			continue
		}
		switch {
		case len(items) == 0 && (v.Reason == Sent || v.Reason == OverCap || v.Reason == LessLimit):
			v.Reason = Unmailed
		case v.Reason == Sent:
			v.Reason = OverCap // it was chosen, and the mail grew too large
		}
		if !met {
			at[v.Story] = len(list)
			list = append(list, v)
		} else if rank(v) < rank(list[n]) {
			list[n] = v
		}
	}
	slices.SortStableFunc(list, func(a, b Verdict) int {
		if a.Reason == Sent && b.Reason == Sent {
			return cmp.Compare(place[a.Story], place[b.Story])
		}
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(b.Arrival, a.Arrival), cmp.Compare(a.Story, b.Story))
	})
	return list
}

func rank(v Verdict) int { return slices.Index(telling, v.Reason) }
