package storetest

import "broadsheet/store"

// auditBooks holds the counters of every issue against its deliveries.
func (w *world) auditBooks() {
	w.Helper()
	for i, err := range w.db.Issues(w.Context(), store.IssueFilter{Notices: true}) {
		w.must(err)
		if err := w.db.CheckBooks(w.Context(), i.ID); err != nil {
			w.Error(err)
		}
	}
}
