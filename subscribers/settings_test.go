package subscribers

import (
	"strings"
	"testing"
	"time"
)

func TestValidate(t *testing.T) {
	if err := NewSettings("a@reader.example").Validate(); err != nil {
		t.Error(err)
	}
	for column, spoil := range map[string]func(*Settings){
		"email":          func(s *Settings) { s.Address = "a" },
		"name":           func(s *Settings) { s.Name = "Nadia\r\nBcc: x@reader.example" },
		"external_id":    func(s *Settings) { s.ExternalID = " 17" },
		"consent_source": func(s *Settings) { s.ConsentSource = "web\tform" },
		"status":         func(s *Settings) { s.Status = "" },
		"format":         func(s *Settings) { s.Format = "pdf" },
		"hour":           func(s *Settings) { s.Hour = 24 },
		"days":           func(s *Settings) { s.Days = []int{2, 1} },
		"days: ":         func(s *Settings) { s.Days = []int{1, 1} },
		"days: use":      func(s *Settings) { s.Days = []int{0} },
		"zone":           func(s *Settings) { s.Zone = "Local" },
		"language":       func(s *Settings) { s.Language = "no such language" },
		"sections":       func(s *Settings) { s.Sections = []Follow{{"a;b", Normal}, {"a", Normal}} },
		"sections: ":     func(s *Settings) { s.Sections = []Follow{{"a", "loud"}} },
		"editions":       func(s *Settings) { s.Editions = []string{"a", "a"} },
		"consent_at":     func(s *Settings) { s.ConsentAt = time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC) },
	} {
		s := NewSettings("a@reader.example")
		spoil(&s)
		if err := s.Validate(); err == nil || !strings.HasPrefix(err.Error(), column) {
			t.Errorf("%s: %v", column, err)
		}
	}
	s := Settings{Address: "a", Status: "x", Hour: 99}
	if err := s.Validate(); err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("three faults: %v", err)
	}
}

func TestSetAndGet(t *testing.T) {
	s := NewSettings("a@reader.example")
	for column, value := range map[string]string{
		"email": "b@reader.example", "name": "Nadia", "sections": "politics;-sport;~culture", "editions": "morning;weekend",
		"hour": "0", "days": "1;7", "zone": "Asia/Dubai", "language": "ar-AE", "format": "text", "status": "paused",
		"external_id": "17", "consent_source": "web form", "consent_at": "2026-11-23T07:40:00Z",
	} {
		if err := s.Set(column, " "+value+" "); err != nil || s.Get(column) != value {
			t.Errorf("Set(%s, %s): %v, now %q", column, value, err, s.Get(column))
		}
	}
	if err := s.Set("paused_until", "2026-12-03"); err != nil || s.Get("paused_until") != "2026-12-03T00:00:00Z" {
		t.Errorf("paused until %q, %v", s.Get("paused_until"), err)
	}
	for _, c := range columns {
		err := s.Set(c.name, "")
		switch {
		case c.name == "email" || c.name == "status":
			if err == nil {
				t.Errorf("Set(%s) takes nothing", c.name)
			}
			s.Address, s.Status = "a@reader.example", Pending
		case err != nil:
			t.Errorf("Set(%s) does not take nothing: %v", c.name, err)
		}
	}
	if !s.Equal(NewSettings("a@reader.example")) {
		t.Errorf("taken back: %+v", s)
	}
	if err := s.Set("shoe size", "42"); err == nil || !strings.Contains(err.Error(), "consent_source") {
		t.Errorf("an unknown column: %v", err)
	}
}

func FuzzParseFollows(f *testing.F) {
	for _, s := range []string{"politics;-sport;~culture", "", ";", "--a", " a ; b;", "'-a", "a;a", "ا;~ب"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, list string) {
		follows, err := ParseFollows(list)
		if err != nil {
			return
		}
		again, err := ParseFollows(FormatFollows(follows))
		if err != nil || FormatFollows(again) != FormatFollows(follows) {
			t.Errorf("%q: %v, then %v, %v", list, follows, again, err)
		}
	})
}
