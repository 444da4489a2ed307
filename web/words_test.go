package web

import (
	"regexp"
	"slices"
	"testing"
)

// Every language has every text, with the same places to fill.
func TestWords(t *testing.T) {
	all, err := loadTexts()
	if err != nil {
		t.Fatal(err)
	}
	place := regexp.MustCompile(`\{[a-z_]+\}`)
	places := func(s string) []string {
		list := place.FindAllString(s, -1)
		slices.Sort(list)
		return slices.Compact(list)
	}
	for lang, words := range all.words {
		for key, s := range all.words["en"] {
			switch other, ok := words[key]; {
			case !ok || other == "":
				t.Errorf("%s lacks %s", lang, key)
			case !slices.Equal(places(s), places(other)):
				t.Errorf("%s: %s fills %v, English %v", lang, key, places(other), places(s))
			}
		}
		for key := range words {
			if _, ok := all.words["en"][key]; !ok {
				t.Errorf("%s has %s, which English has not", lang, key)
			}
		}
	}
}
