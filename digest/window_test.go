package digest

import (
	"testing"
	"time"
)

func TestWindow(t *testing.T) {
	carry := func(n int64) *int64 { return &n }
	old := noon.Add(-74 * time.Hour)
	spans := Spans{Cutoff: 100, First: 60, Period: func(days []int) int64 { return 70 - 30*int64(len(days)) }, Oldest: func([]int) time.Time { return old }}
	at := func(state string, copies int) Reader {
		return Reader{Previous: &Previous{State: state, Copies: copies, WindowStart: 30, WindowEnd: 80}}
	}
	joined := Window{Start: 80, End: 100, Fresh: 80, Oldest: old}
	again := Window{Start: 30, End: 100, Fresh: 80, Oldest: old}
	tests := []struct {
		name string
		r    Reader
		want Window
	}{
		{"new reader", Reader{}, Window{Start: 60, End: 100, Oldest: old}},
		{"new reader who was paused", Reader{Returned: true}, Window{Start: 60, End: 100, Oldest: old}},
		{"accepted", at("accepted", 0), joined},
		{"bounced", at("bounced", 0), joined},
		{"handed", at("handed", 0), joined},
		{"uncertain", at("uncertain", 2), joined},
		{"skipped", at("skipped", 0), joined},
		{"queued", at("queued", 0), again},
		{"sending", at("sending", 0), again},
		{"sending with a copy out", at("sending", 1), joined},
		{"deferred", at("deferred", 0), again},
		{"deferred with a copy out", at("deferred", 1), joined},
		{"failed", at("failed", 0), again},
		{"expired", at("expired", 0), again},
		{"suppressed", at("suppressed", 0), again},
		{"superseded", at("superseded", 0), again},
		{"cancelled", at("cancelled", 0), again},
		{"carried", with(at("accepted", 0), func(r *Reader) { r.Carry = carry(20) }), Window{Start: 20, End: 100, Fresh: 80, Oldest: old}},
		{"carried from the very first arrival", with(at("accepted", 0), func(r *Reader) { r.Carry = carry(0) }), Window{End: 100, Fresh: 80, Oldest: old}},
		{"carried, but the last one reaches further back", with(at("failed", 0), func(r *Reader) { r.Carry = carry(40) }), again},
		{"back from a pause", with(at("failed", 0), func(r *Reader) { r.Returned = true }), Window{Start: 70, End: 100, Fresh: 80, Oldest: old}},
		{"back from a pause, with a day a week", with(at("failed", 0), func(r *Reader) { r.Returned, r.Days = true, []int{1} }), Window{Start: 40, End: 100, Fresh: 80, Oldest: old}},
		{"back from a short pause", with(at("accepted", 0), func(r *Reader) { r.Returned = true }), joined},
		{"cut-off of an issue resumed late", with(at("accepted", 0), func(r *Reader) { r.Previous.WindowEnd = 120 }), Window{Start: 120, End: 120, Fresh: 120, Oldest: old}},
	}
	for _, tt := range tests {
		if got := spans.Window(&tt.r); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func with(r Reader, edit func(*Reader)) Reader { edit(&r); return r }

func TestNumberAt(t *testing.T) {
	items := []Candidate{item(10, 1, "a"), item(20, 2, "a"), item(30, 3, "a")}
	p := NewPool(items, testConfig("a"), mustEdition(t, "30 7 * * *", "Europe/London"), noon)
	for _, tt := range []struct{ at, want int64 }{{5, 9}, {10, 9}, {11, 19}, {30, 29}, {31, 99}} {
		if got := p.NumberAt(item(tt.at, 0, "").Arrived, 99); got != tt.want {
			t.Errorf("at %d: %d, want %d", tt.at, got, tt.want)
		}
	}
}
