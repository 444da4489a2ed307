package room

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"net/http"

	"rsc.io/qr"

	"broadsheet/operators"
)

// Accounts is how those who may come in are made, changed and taken away.
type Accounts interface {
	Operators(ctx context.Context) ([]operators.Account, error)
	AddOperator(ctx context.Context, by operators.By, name string, role operators.Role, password string) (said string, err error)
	SetRole(ctx context.Context, by operators.By, name string, role operators.Role) (said string, err error)
	SetPassword(ctx context.Context, by operators.By, name, password string) (said string, err error)
	DropCode(ctx context.Context, by operators.By, name string) (said string, err error)
	RemoveOperator(ctx context.Context, by operators.By, name string) (said string, err error)

	// ChangePassword and SetCode are for operators themselves, who prove with their password (and code, if
	// they have one) who they are: [ErrNoEntry] or [TooSoon] if not.
	ChangePassword(ctx context.Context, by operators.By, t Try, password string) (said string, err error)
	// NewCode makes a secret that is not in use yet, and the URI by which an authenticator takes it.
	NewCode(name string) (secret, uri string)
	// SetCode takes a secret into use of which t.Code is a code; [ErrRefused] if it is none.
	SetCode(ctx context.Context, by operators.By, t Try, secret string) (said string, err error)

	Tokens(ctx context.Context) ([]operators.Token, error)
	AddToken(ctx context.Context, by operators.By, name string, role operators.Role) (secret, said string, err error)
	RevokeToken(ctx context.Context, by operators.By, name string) (said string, err error)
}

func (rm *Room) accountRoutes() []route {
	return []route{
		{"GET /account", operators.Look, rm.accountPage},
		{"POST /account/password", operators.Look, rm.changePassword},
		{"GET /account/code", operators.Look, rm.codePage},
		{"POST /account/code", operators.Look, rm.setCode},
		{"GET /operators", operators.Manage, rm.operatorsPage},
		{"POST /operators", operators.Manage, rm.addOperator},
		{"POST /operators/{name}/{act}", operators.Manage, rm.changeOperator},
		{"GET /tokens", operators.Manage, rm.tokensPage},
		{"POST /tokens", operators.Manage, rm.addToken},
		{"POST /tokens/{name}/revoke", operators.Manage, rm.revokeToken},
	}
}

func (rm *Room) accountPage(w http.ResponseWriter, r *http.Request, v *visit) error {
	return rm.show(w, v, "account", map[string]any{"Needed": !rm.Loopback})
}

// wrong says in the form what kept a change of one's own account from being made.
func (rm *Room) wrong(w http.ResponseWriter, v *visit, err error) (status int, text string, ok bool) {
	if soon, is := errors.AsType[TooSoon](err); is {
		return http.StatusTooManyRequests, soon.Error(), true
	}
	if errors.Is(err, ErrNoEntry) {
		return http.StatusUnauthorized, "your password or code is not right", true
	}
	if errors.Is(err, ErrRefused) {
		return http.StatusConflict, err.Error(), true
	}
	return 0, "", false
}

func (rm *Room) changePassword(w http.ResponseWriter, r *http.Request, v *visit) error {
	password := r.PostFormValue("new")
	if password != r.PostFormValue("again") {
		return rm.showAs(w, v, http.StatusConflict, "account", map[string]any{"Needed": !rm.Loopback, "Wrong": "the new password was typed differently the second time"})
	}
	_, err := rm.Doors.ChangePassword(r.Context(), v.by(r), Try{v.Name, r.PostFormValue("password"), r.PostFormValue("code"), rm.client(r)}, password)
	if status, text, ok := rm.wrong(w, v, err); ok {
		return rm.showAs(w, v, status, "account", map[string]any{"Needed": !rm.Loopback, "Wrong": text})
	}
	if err != nil {
		return err
	}
	return rm.out(w, r)
}

func (rm *Room) codePage(w http.ResponseWriter, r *http.Request, v *visit) error {
	secret, uri := rm.Doors.NewCode(v.Name)
	return rm.showCode(w, v, http.StatusOK, secret, uri, "")
}

func (rm *Room) showCode(w http.ResponseWriter, v *visit, status int, secret, uri, wrong string) error {
	code, err := qr.Encode(uri, qr.M)
	if err != nil {
		return fmt.Errorf("draw QR code: %w", err)
	}
	code.Scale = 5
	return rm.showAs(w, v, status, "code", map[string]any{"Secret": secret, "URI": template.URL(uri), "Wrong": wrong,
		"Picture": template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(code.PNG()))})
}

func (rm *Room) setCode(w http.ResponseWriter, r *http.Request, v *visit) error {
	secret := r.PostFormValue("secret")
	_, err := rm.Doors.SetCode(r.Context(), v.by(r), Try{v.Name, r.PostFormValue("password"), r.PostFormValue("code"), rm.client(r)}, secret)
	if status, text, ok := rm.wrong(w, v, err); ok {
		fresh, uri := rm.Doors.NewCode(v.Name)
		if s, err := operators.ParseCodeSecret(secret); err == nil { // the one that the authenticator has by now
			fresh, uri = s.String(), s.URI(rm.Publication, v.Name)
		}
		return rm.showCode(w, v, status, fresh, uri, text)
	}
	if err != nil {
		return err
	}
	return rm.out(w, r)
}

func (rm *Room) operatorsPage(w http.ResponseWriter, r *http.Request, v *visit) error {
	list, err := rm.Doors.Operators(r.Context())
	if err != nil {
		return err
	}
	return rm.show(w, v, "operators", map[string]any{"List": list, "Roles": operators.Roles})
}

func (rm *Room) addOperator(w http.ResponseWriter, r *http.Request, v *visit) error {
	role, err := operators.ParseRole(r.PostFormValue("role"))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if r.PostFormValue("password") != r.PostFormValue("again") {
		return fmt.Errorf("%w: the password was typed differently the second time", ErrRefused)
	}
	said, err := rm.Doors.AddOperator(r.Context(), v.by(r), r.PostFormValue("name"), role, r.PostFormValue("password"))
	if err != nil {
		return err
	}
	return rm.back(w, r, "/operators", said)
}

func (rm *Room) changeOperator(w http.ResponseWriter, r *http.Request, v *visit) (err error) {
	name, said := r.PathValue("name"), ""
	switch r.PathValue("act") {
	case "role":
		role, err := operators.ParseRole(r.PostFormValue("role"))
		if err != nil {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
		said, err = rm.Doors.SetRole(r.Context(), v.by(r), name, role)
		if err != nil {
			return err
		}
	case "password":
		if r.PostFormValue("password") != r.PostFormValue("again") {
			return fmt.Errorf("%w: the password was typed differently the second time", ErrRefused)
		}
		said, err = rm.Doors.SetPassword(r.Context(), v.by(r), name, r.PostFormValue("password"))
	case "code":
		said, err = rm.Doors.DropCode(r.Context(), v.by(r), name)
	case "remove":
		said, err = rm.Doors.RemoveOperator(r.Context(), v.by(r), name)
	default:
		return ErrNotFound
	}
	if err != nil {
		return err
	}
	return rm.back(w, r, "/operators", said)
}

func (rm *Room) tokensPage(w http.ResponseWriter, r *http.Request, v *visit) error {
	list, err := rm.Doors.Tokens(r.Context())
	if err != nil {
		return err
	}
	return rm.show(w, v, "tokens", map[string]any{"List": list, "Roles": operators.Roles})
}

// addToken shows a secret once, in the answer itself: a redirect would have to carry it.
func (rm *Room) addToken(w http.ResponseWriter, r *http.Request, v *visit) error {
	role, err := operators.ParseRole(r.PostFormValue("role"))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	secret, said, err := rm.Doors.AddToken(r.Context(), v.by(r), r.PostFormValue("name"), role)
	if err != nil {
		return err
	}
	list, err := rm.Doors.Tokens(r.Context())
	if err != nil {
		return err
	}
	v.said = said
	return rm.show(w, v, "tokens", map[string]any{"List": list, "Roles": operators.Roles, "Secret": secret})
}

func (rm *Room) revokeToken(w http.ResponseWriter, r *http.Request, v *visit) error {
	said, err := rm.Doors.RevokeToken(r.Context(), v.by(r), r.PathValue("name"))
	if err != nil {
		return err
	}
	return rm.back(w, r, "/tokens", said)
}
