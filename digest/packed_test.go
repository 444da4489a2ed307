package digest

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"testing"
)

// anyDigest makes up a digest and the ids of its fragments.
func anyDigest(rnd *rand.Rand) (*Digest, []int64) {
	number := func() int64 {
		switch rnd.IntN(10) {
		case 0:
			return []int64{math.MinInt64, -1, 0, math.MaxInt64}[rnd.IntN(4)]
		default:
			return rnd.Int64N(1 << rnd.IntN(40))
		}
	}
	text := func() string {
		b := make([]byte, rnd.IntN(1+rnd.IntN(200)))
		for n := range b {
			b[n] = byte(rnd.IntN(256))
		}
		return string(b)
	}
	d := &Digest{Subject: text()}
	words := []string{d.Subject, "", "world", text(), text()}
	word := func() string {
		if rnd.IntN(2) == 0 {
			return text()
		}
		return words[rnd.IntN(len(words))]
	}
	d.Items = make([]Item, rnd.IntN(30))
	for n := range d.Items {
		d.Items[n] = Item{Story: number(), Revision: number(), Section: word(), Role: Role(word())}
	}
	for range rnd.IntN(5) {
		d.More = append(d.More, rnd.IntN(1<<rnd.IntN(20)))
	}
	d.Pieces = make([]Piece, rnd.IntN(60))
	ids := make([]int64, len(d.Pieces))
	for n := range d.Pieces {
		ids[n] = number()
		d.Pieces[n].Fragment = &Fragment{ID: ids[n]}
		for range rnd.IntN(4) {
			d.Pieces[n].Values = append(d.Pieces[n].Values, word())
		}
	}
	return d, ids
}

func TestPackAnyDigest(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	var p Packer // one for all: nothing of a digest may stay for the next
	c := NewComposer(nil, nil, "example.com")
	for round := range 2000 {
		want, ids := anyDigest(rnd)
		b := p.Pack(want, ids)
		got := &Digest{Subject: want.Subject}
		if err := Unpack(b, got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v became %+v", want, got)
		}
		f, err := c.newForm(packed(want.Subject, b))
		if err != nil {
			t.Fatal(err)
		}
		sameForm(t, f, want)
		stories, err := UnpackStories(b)
		if err != nil || len(stories) != len(want.Items) {
			t.Fatalf("%d stories instead of %d: %v", len(stories), len(want.Items), err)
		}
		for n, story := range stories {
			if story != want.Items[n].Story {
				t.Fatalf("story %d is %d, want %d", n, story, want.Items[n].Story)
			}
		}
		cuts := rnd.Perm(len(b)) // no beginning of it is whole
		if round >= 20 && os.Getenv("BROADSHEET_LONG") == "" {
			cuts = cuts[:min(len(cuts), 20)] // all take minutes
		}
		for _, n := range cuts {
			if err := Unpack(b[:n], &Digest{}); !errors.Is(err, ErrPacked) {
				t.Fatalf("%d of %d octets: %v", n, len(b), err)
			}
			if _, err := c.newForm(packed("", b[:n])); !errors.Is(err, ErrPacked) {
				t.Fatalf("%d of %d octets as a form: %v", n, len(b), err)
			}
		}
	}
}

func packed(subject string, body []byte) Packed {
	return Packed{Zone: []byte("UTC"), Subject: []byte(subject), Body: body}
}

// sameForm looks whether a form has the pieces of d.
func sameForm(t *testing.T, f *form, d *Digest) {
	t.Helper()
	var ids []int64
	f.missing(func(_ int, id int64) { ids = append(ids, id) })
	if len(ids) != len(d.Pieces) {
		t.Fatalf("%d pieces, want %d", len(ids), len(d.Pieces))
	}
	w := writing{form: f, table: f.table(nil)}
	_, at := number(f.text, int(f.pieces))
	for n, want := range d.Pieces {
		if ids[n] != want.Fragment.ID {
			t.Fatalf("fragment %d is %d, want %d", n, ids[n], want.Fragment.ID)
		}
		at = w.turn(at)
		var values []string
		for _, place := range w.values {
			s := w.table[place]
			v := f.text[s.start:s.end]
			if values = append(values, string(v)); f.tame(place) && !inline(v) {
				t.Fatalf("%q is tame", v)
			}
		}
		if !slices.Equal(values, want.Values) {
			t.Fatalf("values of piece %d are %q, want %q", n, values, want.Values)
		}
	}
}

// TestPackedSize keeps a digest of twelve stories within what the database is planned for.
func TestPackedSize(t *testing.T) {
	d := &Digest{Subject: "The harbour opens again after a night of storms + 11 more"}
	var ids []int64
	piece := func(values ...string) {
		ids = append(ids, 3_000_000+int64(len(ids)*37%20_000))
		d.Pieces = append(d.Pieces, Piece{Values: values})
	}
	piece("Subject: " + d.Subject + "\r\n")
	for _, kind := range []string{"", "=20<b>"} {
		piece(d.Subject, "Preheader with the second headline and the third one as far as they go, about so long"+kind,
			"Thursday 2 April 2026", "12 stories", "9 min", "World 3, Politics 3, Business 3, Sport 3"+kind, "07:30", "10:30", "02:30")
		for n := range 12 {
			if n%3 == 0 {
				piece()
			}
			piece(fmt.Sprint(n+1), fmt.Sprintf("0%d:%02d BST", 6-n/2, n*5), "")
			if n%3 == 2 {
				piece(fmt.Sprintf("%d more in Section %d", n+4, n/3) + kind)
			}
		}
		piece("Your next digest: Friday 3 April 2026, 07:30, London")
	}
	d.More = []int{4, 5, 6, 7}
	for n := range 12 {
		d.Items = append(d.Items, Item{Story: 700_000 + int64(n*911%5000), Revision: 900_000 + int64(n*911%6000),
			Section: fmt.Sprintf("section-%d", n/3), Role: Card})
	}
	if b := new(Packer).Pack(d, ids); len(b) > 1200 {
		t.Errorf("%d octets", len(b))
	}
}

func FuzzUnpack(f *testing.F) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		d, ids := anyDigest(rnd)
		f.Add(new(Packer).Pack(d, ids), d.Subject)
	}
	f.Add([]byte{3}, "")
	f.Add([]byte{packedCounted, 0, 0, 0, 1, 7}, "")
	f.Add([]byte{packedForm, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, "")
	c := NewComposer(nil, nil, "example.com")
	f.Fuzz(func(t *testing.T, b []byte, subject string) {
		d := &Digest{Subject: subject}
		err := Unpack(b, d)
		f, errForm := c.newForm(packed(subject, b))
		if (err == nil) != (errForm == nil) {
			t.Fatalf("as a digest: %v, as a form: %v", err, errForm)
		}
		if err != nil {
			if !errors.Is(err, ErrPacked) || d.Items != nil || d.Pieces != nil {
				t.Fatalf("%v leaves %+v", err, d)
			}
			return
		}
		sameForm(t, f, d)
		stories, err := UnpackStories(b)
		if err != nil || len(stories) != len(d.Items) {
			t.Fatalf("%d stories of %d items: %v", len(stories), len(d.Items), err)
		}
		ids := make([]int64, len(d.Pieces))
		for n := range ids {
			ids[n] = d.Pieces[n].Fragment.ID
		}
		again := &Digest{Subject: subject}
		if err := Unpack(new(Packer).Pack(d, ids), again); err != nil || !reflect.DeepEqual(again, d) {
			t.Fatalf("%+v became %+v: %v", d, again, err)
		}
	})
}
