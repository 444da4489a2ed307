package digest

// lru keeps what is used often or was put last, up to a total weight. An entry goes in the order
// of putting, but those that were got twice or more stay for another round: what was put and
// waits to be got is not driven out by what has been. Not safe for concurrent use.
type lru[K comparable, V any] struct {
	max, weight int
	byKey       map[K]*lruEntry[K, V]
	ring        lruEntry[K, V] // next is the newest, prev the oldest

	// Both may be nil. busy tells, once, that an entry was used without get; gone is told of those
	// that are let go.
	busy func(V) bool
	gone func(V)
}

type lruEntry[K comparable, V any] struct {
	next, prev *lruEntry[K, V]
	key        K
	value      V
	weight     int
	uses       int // since it was put or last spared
}

func newLRU[K comparable, V any](maxWeight int) *lru[K, V] {
	l := &lru[K, V]{max: maxWeight, byKey: map[K]*lruEntry[K, V]{}}
	l.ring.next, l.ring.prev = &l.ring, &l.ring
	return l
}

func (l *lru[K, V]) get(k K) (V, bool) {
	if e, ok := l.byKey[k]; ok {
		e.uses++
		return e.value, true
	}
	var none V
	return none, false
}

// peek is get, but does not count as use.
func (l *lru[K, V]) peek(k K) V {
	if e, ok := l.byKey[k]; ok {
		return e.value
	}
	var none V
	return none
}

// put keeps v, unless the key is there, and lets the oldest entries go.
func (l *lru[K, V]) put(k K, v V, weight int) {
	if _, ok := l.byKey[k]; ok {
		return
	}
	e := &lruEntry[K, V]{key: k, value: v, weight: weight}
	l.byKey[k] = e
	l.link(e)
	l.weight += weight
	for spare := len(l.byKey); l.weight > l.max && len(l.byKey) > 1; spare-- {
		old := l.ring.prev
		if spare > 0 && (old == e || old.uses > 1 || l.busy != nil && l.busy(old.value)) {
			old.uses = 0
			l.unlink(old)
			l.link(old)
			continue
		}
		l.drop(old)
	}
}

// remove lets an entry go.
func (l *lru[K, V]) remove(k K) {
	if e, ok := l.byKey[k]; ok {
		l.drop(e)
	}
}

func (l *lru[K, V]) drop(e *lruEntry[K, V]) {
	l.unlink(e)
	delete(l.byKey, e.key)
	l.weight -= e.weight
	if l.gone != nil {
		l.gone(e.value)
	}
}

// link makes e the newest.
func (l *lru[K, V]) link(e *lruEntry[K, V]) {
	e.prev, e.next = &l.ring, l.ring.next
	e.prev.next, e.next.prev = e, e
}

func (l *lru[K, V]) unlink(e *lruEntry[K, V]) {
	e.prev.next, e.next.prev = e.next, e.prev
}
