package room

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"broadsheet/operators"
)

// Audit is what the page of the audit log reads.
type Audit interface {
	// Entries lists entries, the latest first, limit at most.
	Entries(ctx context.Context, q AuditQuery, limit int) ([]operators.Entry, error)
}

// AuditQuery says which entries are wanted. Zero fields do not filter.
type AuditQuery struct {
	Who, Act, Object string    // Act: what it begins with
	Since            time.Time // the first day
	Before           int64     // only entries before this one
}

const auditPage = 100

func (rm *Room) auditRoutes() []route {
	return []route{{"GET /audit", operators.Look, rm.auditList}}
}

// auditQuery reads a query; what cannot be read does not filter.
func auditQuery(v url.Values) (q AuditQuery) {
	q.Who, q.Act, q.Object = v.Get("who"), v.Get("act"), v.Get("object")
	q.Since, _ = time.Parse(time.DateOnly, v.Get("since"))
	q.Before, _ = strconv.ParseInt(v.Get("before"), 10, 64)
	return q
}

func (rm *Room) auditList(w http.ResponseWriter, r *http.Request, v *visit) error {
	asked := r.URL.Query()
	list, err := rm.Audit.Entries(r.Context(), auditQuery(asked), auditPage+1)
	if err != nil {
		return err
	}
	next := ""
	if len(list) > auditPage {
		list = list[:auditPage]
		asked.Set("before", strconv.FormatInt(list[auditPage-1].ID, 10))
		next = "/audit?" + asked.Encode()
	}
	return rm.show(w, v, "audit", map[string]any{"List": list, "Next": next, "Who": asked.Get("who"), "Act": asked.Get("act"),
		"Object": asked.Get("object"), "Since": asked.Get("since"), "Filtered": r.URL.RawQuery != ""})
}
