package stories

import (
	"context"
	"sync"
	"time"
)

// memory is a Shelf for tests of intake alone: it decides by Keys and Hash as the interface says and keeps
// nothing else. The store has a suite of its own.
type memory struct {
	mu    sync.Mutex
	feeds map[string]FeedState
	taken map[string]bool
	keys  map[string]sighting
	list  []Story
	err   error // if set, AddStories fails with it
}

type sighting struct {
	story int
	seen  time.Time
}

func newMemory() *memory {
	return &memory{feeds: map[string]FeedState{}, taken: map[string]bool{}, keys: map[string]sighting{}}
}

func (m *memory) TakeFeed(_ context.Context, url string, force bool, now time.Time) (FeedState, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.feeds[url]
	s.URL = url
	if m.taken[url] || !force && now.Before(s.Due) {
		return s, false, nil
	}
	m.taken[url] = true
	return s, true, nil
}

func (m *memory) LeaveFeed(_ context.Context, f FeedState) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.taken, f.URL)
	return nil
}

func (m *memory) SaveFeed(_ context.Context, f FeedState) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.feeds[f.URL] = f
	delete(m.taken, f.URL)
	return nil
}

func (m *memory) AddStories(_ context.Context, batch []Story, now time.Time) (Added, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var a Added
	if m.err != nil {
		return a, m.err
	}
	for _, s := range batch {
		id := -1
		for _, k := range Keys(&s) {
			if old, ok := m.keys[k.Value]; ok && (k.Window == 0 || now.Sub(old.seen) <= k.Window) {
				id = old.story
				break
			}
		}
		switch {
		case id < 0:
			id = len(m.list)
			m.list = append(m.list, s)
			a.New++
		case m.list[id].Hash() != s.Hash():
			m.list[id] = s
			a.Revised++
		default:
			a.Known++
		}
		for _, k := range Keys(&s) {
			m.keys[k.Value] = sighting{id, now}
		}
	}
	return a, nil
}
