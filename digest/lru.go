package digest

import "container/list"

// lru keeps the entries used last, up to a total weight. Not safe for concurrent use.
type lru[K comparable, V any] struct {
	max, weight int
	order       *list.List // most recent first
	byKey       map[K]*list.Element
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

// put keeps v, which must not be there yet, and lets the oldest entries go.
func (l *lru[K, V]) put(k K, v V, weight int) {
	if _, ok := l.byKey[k]; ok {
		return
	}
	l.byKey[k] = l.order.PushFront(&lruEntry[K, V]{k, v, weight})
	l.weight += weight
	for l.weight > l.max && l.order.Len() > 1 {
		last := l.order.Back()
		old := l.order.Remove(last).(*lruEntry[K, V])
		delete(l.byKey, old.key)
		l.weight -= old.weight
	}
}
