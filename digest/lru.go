package digest

import "container/list"

// lru keeps the entries used last, up to a total weight. Not safe for concurrent use.
type lru[K comparable, V any] struct {
	max, weight int
	order       *list.List // most recent first
	byKey       map[K]*list.Element

	// Both may be nil. busy tells, once, that an entry was used without get; gone is told of those
	// that are let go.
	busy func(V) bool
	gone func(V)
}

type lruEntry[K comparable, V any] struct {
	key    K
	value  V
	weight int
}

func newLRU[K comparable, V any](maxWeight int) *lru[K, V] {
	return &lru[K, V]{max: maxWeight, order: list.New(), byKey: map[K]*list.Element{}}
}

func (l *lru[K, V]) get(k K) (V, bool) {
	e, ok := l.byKey[k]
	if !ok {
		var none V
		return none, false
	}
	l.order.MoveToFront(e)
	return e.Value.(*lruEntry[K, V]).value, true
}

// peek is get, but does not count as use.
func (l *lru[K, V]) peek(k K) V {
	if e, ok := l.byKey[k]; ok {
		return e.Value.(*lruEntry[K, V]).value
	}
	var none V
	return none
}

// put keeps v, which must not be there yet, and lets the oldest entries go.
func (l *lru[K, V]) put(k K, v V, weight int) {
	if _, ok := l.byKey[k]; ok {
		return
	}
	l.byKey[k] = l.order.PushFront(&lruEntry[K, V]{k, v, weight})
	l.weight += weight
	for spare := l.order.Len(); l.weight > l.max && l.order.Len() > 1; spare-- {
		last := l.order.Back()
		old := last.Value.(*lruEntry[K, V])
		if l.busy != nil && l.busy(old.value) && spare > 0 {
			l.order.MoveToFront(last)
			continue
		}
		l.drop(last)
	}
}

// remove lets an entry go.
func (l *lru[K, V]) remove(k K) {
	if e, ok := l.byKey[k]; ok {
		l.drop(e)
	}
}

func (l *lru[K, V]) drop(e *list.Element) {
	old := l.order.Remove(e).(*lruEntry[K, V])
	delete(l.byKey, old.key)
	l.weight -= old.weight
	if l.gone != nil {
		l.gone(old.value)
	}
}
