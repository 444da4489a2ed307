package subscribers

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestEdits(t *testing.T) {
	until := time.Date(2026, 12, 3, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name string
		do   func(s *Settings)
		want string // sections, editions, status
	}{
		{"leave an edition", func(s *Settings) { s.LeaveEdition("morning") }, "a;-b;~c;d | weekend | active"},
		{"leave what is not theirs", func(s *Settings) { s.LeaveEdition("night") }, "a;-b;~c;d | morning;weekend | active"},
		{"join", func(s *Settings) { s.JoinEdition("night") }, "a;-b;~c;d | morning;weekend;night | active"},
		{"join twice", func(s *Settings) { s.JoinEdition("weekend") }, "a;-b;~c;d | morning;weekend | active"},
		{"choose editions", func(s *Settings) { s.ChooseEditions([]string{"night", "weekend"}, []string{"night", "weird"}) }, "a;-b;~c;d | night;morning | active"},
		{"choose the same editions", func(s *Settings) {
			s.ChooseEditions([]string{"weekend", "morning"}, []string{"morning", "weekend"})
		}, "a;-b;~c;d | morning;weekend | active"},
		{"choose one twice", func(s *Settings) { s.ChooseEditions([]string{"night", "night"}, []string{"night", "night"}) }, "a;-b;~c;d | night;morning;weekend | active"},
		{"less", func(s *Settings) { s.SetLevel("a", Less) }, "~a;-b;~c;d | morning;weekend | active"},
		{"mute", func(s *Settings) { s.SetLevel("d", Muted) }, "a;-b;~c;-d | morning;weekend | active"},
		{"a new section", func(s *Settings) { s.SetLevel("e", Normal) }, "a;-b;~c;d;e | morning;weekend | active"},
		{"drop", func(s *Settings) { s.Drop("b") }, "a;~c;d | morning;weekend | active"},
		{"up past a muted one", func(s *Settings) { s.MoveUp("c") }, "~c;a;-b;d | morning;weekend | active"},
		{"up", func(s *Settings) { s.MoveUp("d") }, "a;-b;d;~c | morning;weekend | active"},
		{"up from the top", func(s *Settings) { s.MoveUp("a") }, "a;-b;~c;d | morning;weekend | active"},
		{"up of none", func(s *Settings) { s.MoveUp("z") }, "a;-b;~c;d | morning;weekend | active"},
		{"to the end", func(s *Settings) { s.Move("a", 99) }, "-b;~c;d;a | morning;weekend | active"},
		{"to the front", func(s *Settings) { s.Move("d", -7) }, "d;a;-b;~c | morning;weekend | active"},
		{"down", func(s *Settings) { s.Move("a", 1) }, "-b;a;~c;d | morning;weekend | active"},
		{"choose sections", func(s *Settings) {
			s.ChooseSections([]string{"a", "b", "c"}, []Follow{{"c", Normal}, {"a", ""}, {"b", Less}})
		}, "c;~b;d | morning;weekend | active"},
		{"pause", func(s *Settings) { s.Pause(until) }, "a;-b;~c;d | morning;weekend | paused"},
		{"pause and resume", func(s *Settings) { s.Pause(until); s.Resume() }, "a;-b;~c;d | morning;weekend | active"},
		{"resume", func(s *Settings) { s.Resume() }, "a;-b;~c;d | morning;weekend | active"},
	} {
		s := NewSettings("a@reader.example")
		s.Status, s.Editions = Active, []string{"morning", "weekend"}
		s.Sections = []Follow{{"a", Normal}, {"b", Muted}, {"c", Less}, {"d", Normal}}
		before := s
		kept := s.Clone()
		c.do(&s)
		got := strings.Join([]string{s.Get("sections"), s.Get("editions"), s.Get("status")}, " | ")
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if !before.Equal(kept) {
			t.Errorf("%s: the lists before are changed", c.name)
		}
	}
	s := NewSettings("a@reader.example")
	s.Status = Unsubscribed
	if s.Resume(); s.Status != Unsubscribed {
		t.Error("a resume brought back who unsubscribed")
	}
	s.Status = Active
	s.LeaveEdition("morning")
	s.JoinEdition("morning")
	s.LeaveEdition("morning")
	if s.Editions != nil {
		t.Errorf("of the last edition there is left %v", s.Editions)
	}
}

// TestAnyEdits holds whatever edits come in whatever order to: valid settings, the same again
// for the same edit, nothing lost but what the edit names, and no list of others written to.
func TestAnyEdits(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	rnd := rand.New(rand.NewPCG(seed, 7))
	t.Logf("seed %d", seed)
	pick := func() string { return string(rune('a' + rnd.IntN(6))) }
	levels := []Level{Normal, Less, Muted}
	for range 200 {
		s := NewSettings("a@reader.example")
		s.Status = Active
		for range 40 {
			before, kept := s, s.Clone()
			id, to, level, until := pick(), rnd.IntN(9)-2, levels[rnd.IntN(3)], time.Unix(rnd.Int64N(1e9)+1, 0).UTC()
			edits := map[string]func(s *Settings){
				"LeaveEdition": func(s *Settings) { s.LeaveEdition(id) }, "JoinEdition": func(s *Settings) { s.JoinEdition(id) },
				"SetLevel": func(s *Settings) { s.SetLevel(id, level) }, "Drop": func(s *Settings) { s.Drop(id) },
				"MoveUp": func(s *Settings) { s.MoveUp(id) }, "Move": func(s *Settings) { s.Move(id, to) },
				"Pause": func(s *Settings) { s.Pause(until) }, "Resume": func(s *Settings) { s.Resume() },
			}
			names := []string{"LeaveEdition", "JoinEdition", "SetLevel", "SetLevel", "Drop", "MoveUp", "Move", "Pause", "Resume"}
			name := names[rnd.IntN(len(names))]
			edits[name](&s)
			if err := s.Validate(); err != nil {
				t.Fatalf("%s(%s): %v", name, id, err)
			}
			if !reflect.DeepEqual(before.Clone(), kept) {
				t.Fatalf("%s(%s) wrote to the lists before: %v, were %v", name, id, before, kept)
			}
			if name == "MoveUp" || name == "Move" {
				same := func(s *Settings) []string {
					ids := strings.Split(FormatFollows(s.Sections), ";")
					slices.Sort(ids)
					return ids
				}
				if !slices.Equal(same(&s), same(&kept)) {
					t.Fatalf("%s(%s) made %v of %v", name, id, s.Sections, kept.Sections)
				}
			}
			if name != "MoveUp" {
				once := s.Clone()
				if edits[name](&s); !s.Equal(once) {
					t.Fatalf("%s(%s) twice is not once", name, id)
				}
			}
		}
	}
}

func TestOwn(t *testing.T) {
	s := NewSettings("a@reader.example")
	if own := s.Own(); own != 0 {
		t.Errorf("who said nothing has %b", own)
	}
	s.Hour, s.Zone = 0, "Asia/Dubai"
	if own := s.Own(); own != FieldHour|FieldZone {
		t.Errorf("own are %b", own)
	}
	s.Format = Text
	s.SetLevel("a", Less)
	if own := s.Own(); !own.Has(FieldFormat | FieldSections) {
		t.Errorf("own are %b", own)
	}
}

// TestPauseEnd: a pause's end decides something only during a pause.
func TestPauseEnd(t *testing.T) {
	s := NewSettings("a@reader.example")
	s.Status = Active
	other := s
	other.PausedUntil = time.Unix(1e9, 0)
	if !s.Equal(other) {
		t.Error("the end of no pause makes a difference")
	}
	s.Pause(time.Time{})
	other.Pause(time.Unix(1e9, 0))
	if s.Equal(other) {
		t.Error("the end of a pause makes no difference")
	}
}
