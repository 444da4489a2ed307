package room

import (
	"context"
	"net/http"
	"strconv"

	"broadsheet/operators"
)

// AlarmList is what is wrong now.
type AlarmList struct {
	Alarms []Alarm `json:"alarms"`
}

// AuditList is a page of the audit log.
type AuditList struct {
	Entries []operators.Entry `json:"entries"`
	Next    int64             `json:"next"` // before of the next page; 0 = this is the last
}

// OperatorList is who may come in.
type OperatorList struct {
	Operators []operators.Account `json:"operators"`
}

// TokenList is what programs come in with.
type TokenList struct {
	Tokens []operators.Token `json:"tokens"`
}

// doorEndpoints are of the door and the first page. Operators and tokens are made by people alone: a token
// that leaks does not make others.
func (rm *Room) doorEndpoints() []endpoint {
	return []endpoint{
		look("/alarms", operators.Look, "What is wrong now, the gravest first, each with its next step", nil, func(r *http.Request) (AlarmList, error) {
			list, err := rm.Today.Alarms(r.Context())
			return AlarmList{list}, err
		}),
		look("/audit", operators.Look, "What operators did, the latest first",
			[]param{{"who", "only what this one did"}, {"act", "only acts that begin with this"}, {"object", "only what was done to this"},
				{"since", "from this day on, e.g. 2026-04-02"}, {"before", "only entries before this id"}},
			func(r *http.Request) (out AuditList, err error) {
				out.Entries, err = rm.Audit.Entries(r.Context(), auditQuery(r.URL.Query()), auditPage+1)
				if len(out.Entries) > auditPage {
					out.Entries = out.Entries[:auditPage]
					out.Next = out.Entries[auditPage-1].ID
				}
				return out, err
			}),
		look("/returned", operators.Look, "Tasks, quarantines, and what came back", nil, func(r *http.Request) (*Overview, error) { return rm.WayBack.Overview(r.Context()) }),
		look("/operators", operators.Manage, "Who may come in", nil, func(r *http.Request) (out OperatorList, err error) {
			out.Operators, err = rm.Doors.Operators(r.Context())
			return out, err
		}),
		look("/tokens", operators.Manage, "What programs come in with", nil, func(r *http.Request) (out TokenList, err error) {
			out.Tokens, err = rm.Doors.Tokens(r.Context())
			return out, err
		}),
		act(http.MethodDelete, "/tokens/{name}", operators.Manage, "Take a token away, at once", func(ctx context.Context, by operators.By, r *http.Request, _ Reasoned) (Done, error) {
			return done(rm.Doors.RevokeToken(ctx, by, r.PathValue("name")))
		}),
	}
}

// page reads a number of a query; what is none is 0.
func page(r *http.Request, name string) int64 {
	n, _ := strconv.ParseInt(r.URL.Query().Get(name), 10, 64)
	return max(n, 0)
}
