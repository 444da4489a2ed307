package room

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"broadsheet/operators"
)

// apiRoot is where programs reach what pages show and do.
const apiRoot = "/api/v1"

// largestBody is how much a request of a program may hold.
const largestBody = 1 << 20

// endpoint is a way of the API, and what the OpenAPI file says of it.
type endpoint struct {
	method, path string // below apiRoot
	role         operators.Role
	summary      string
	query        []param
	in, out      reflect.Type // of the bodies; nil = none
	serve        func(r *http.Request, by operators.By, in any) (any, error)
}

// param is a parameter of a query.
type param struct{ name, text string }

// Reasoned is in every body that acts.
type Reasoned struct {
	Why string `json:"why,omitempty"` // for the audit log
}

func (r Reasoned) reason() string { return strings.TrimSpace(r.Why) }

// Done is what an act came to.
type Done struct {
	Said string `json:"said"`
}

// done makes an answer of an act's.
func done(said string, err error) (Done, error) { return Done{said}, err }

// Problem is an error by RFC 9457.
type Problem struct {
	Type   string   `json:"type"`
	Title  string   `json:"title"`
	Status int      `json:"status"`
	Detail string   `json:"detail"`
	Errors []string `json:"errors,omitempty"` // where there are several
}

// Invalid is what is wrong with a body that could be read.
type Invalid []string

func (e Invalid) Error() string { return strings.Join(e, "; ") }

// statusError is an error with a status of its own.
type statusError struct {
	status int
	text   string
}

func (e statusError) Error() string { return e.text }

// look is an endpoint that shows something.
func look[Out any](path string, role operators.Role, summary string, query []param, serve func(r *http.Request) (Out, error)) endpoint {
	return endpoint{http.MethodGet, path, role, summary, query, nil, reflect.TypeFor[Out](),
		func(r *http.Request, _ operators.By, _ any) (any, error) { return serve(r) }}
}

// act is an endpoint that does something. In holds a [Reasoned].
func act[In interface{ reason() string }, Out any](method, path string, role operators.Role, summary string, serve func(ctx context.Context, by operators.By, r *http.Request, in In) (Out, error)) endpoint {
	e := endpoint{method: method, path: path, role: role, summary: summary, in: reflect.TypeFor[In](), out: reflect.TypeFor[Out]()}
	if method == http.MethodDelete { // bodies of DELETE get lost on the way
		e.in, e.query = nil, []param{{"why", "for the audit log"}}
	}
	e.serve = func(r *http.Request, by operators.By, in any) (any, error) {
		if in == nil {
			var none In
			by.Why = strings.TrimSpace(r.URL.Query().Get("why"))
			return serve(r.Context(), by, r, none)
		}
		body := *in.(*In)
		by.Why = body.reason()
		return serve(r.Context(), by, r, body)
	}
	return e
}

// endpoints lists what programs can ask for.
func (rm *Room) endpoints() []endpoint {
	return slices.Concat(rm.doorEndpoints(), rm.runEndpoints(), rm.readerEndpoints(), rm.storyEndpoints(), rm.pushEndpoints(), rm.keepingEndpoints(), rm.workerEndpoints())
}

func (rm *Room) apiRoutes() []route {
	routes := []route{
		{"GET " + apiRoot + "/openapi.yaml", "", rm.openAPI},
		{apiRoot + "/", "", rm.noSuchCall},
	}
	for _, e := range rm.endpoints() {
		routes = append(routes, route{e.method + " " + apiRoot + e.path, e.role, func(w http.ResponseWriter, r *http.Request, v *visit) error { return answerAPI(w, r, v, e) }})
	}
	return routes
}

// noSuchCall says of a path whether it takes other methods.
func (rm *Room) noSuchCall(w http.ResponseWriter, r *http.Request, _ *visit) error {
	var takes []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := rm.mux.Handler(other); pattern != apiRoot+"/" {
			takes = append(takes, method)
		}
	}
	if len(takes) == 0 {
		return statusError{http.StatusNotFound, "there is no such path"}
	}
	w.Header().Set("Allow", strings.Join(takes, ", "))
	return statusError{http.StatusMethodNotAllowed, "this path takes " + strings.Join(takes, " and ")}
}

// isAPI reports whether a request is a program's.
func isAPI(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, apiRoot+"/") }

// isProgram reports whether who asks has to show a token: for the API, and for metrics with one.
func isProgram(r *http.Request) bool {
	return isAPI(r) || r.URL.Path == metricsPath && (r.Header.Get("Authorization") != "" || r.Header.Get("Sec-Fetch-Mode") == "")
}

// bearer finds out which program asks. A browser's cookie is none: whoever leads a browser here would act
// in its operator's name.
func (rm *Room) bearer(r *http.Request, v *visit) error {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return nil
	}
	o, err := rm.Doors.Token(r.Context(), strings.TrimSpace(secret))
	v.Operator = o
	return err
}

func answerAPI(w http.ResponseWriter, r *http.Request, v *visit, e endpoint) error {
	var in any
	if e.in != nil {
		body := reflect.New(e.in)
		if err := readBody(w, r, body.Interface()); err != nil {
			return err
		}
		in = body.Interface()
	}
	out, err := e.serve(r, operators.By{Who: v.Name}, in)
	if err != nil {
		return err
	}
	if long, ok := out.(stream); ok {
		w.Header().Set("Content-Type", "application/json")
		return long.writeTo(w)
	}
	b, err := json.Marshal(withLists(out))
	if err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(b, '\n')) // who hung up hears nothing
	return nil
}

// readBody reads a JSON body strictly: a misspelt name is an error and not a field left out.
func readBody(w http.ResponseWriter, r *http.Request, into any) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" && kind != "application/merge-patch+json" {
		return statusError{http.StatusUnsupportedMediaType, "send the body as application/json"}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largestBody))
	if err == nil && !utf8.Valid(body) {
		err = errors.New("it is not in UTF-8")
	}
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(body))
		d.DisallowUnknownFields()
		err = d.Decode(into)
		if err == nil {
			if _, err = d.Token(); errors.Is(err, io.EOF) {
				return nil
			} else if err == nil {
				err = errors.New("there is something behind it")
			}
		}
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return statusError{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d bytes", largestBody)}
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return statusError{http.StatusBadRequest, fmt.Sprintf("the body cannot be read: %s: a %s does not belong there", cmp.Or(wrong.Field, "the whole"), wrong.Value)}
	}
	return statusError{http.StatusBadRequest, "the body cannot be read: " + strings.TrimPrefix(err.Error(), "json: ")}
}

// problem answers a program an error.
func (rm *Room) problem(w http.ResponseWriter, r *http.Request, err error) {
	p := Problem{Type: "about:blank", Status: http.StatusInternalServerError, Detail: "the log of the program says why"}
	soon, _ := errors.AsType[TooSoon](err)
	own, isOwn := errors.AsType[statusError](err)
	invalid, isInvalid := errors.AsType[Invalid](err)
	switch {
	case isOwn:
		p.Status, p.Detail = own.status, own.text
	case isInvalid:
		p.Status, p.Detail, p.Errors = http.StatusUnprocessableEntity, err.Error(), invalid
	case errors.Is(err, errForbidden):
		p.Status, p.Detail = http.StatusForbidden, err.Error()
	case errors.Is(err, ErrNotFound):
		p.Status, p.Detail = http.StatusNotFound, err.Error()
	case errors.Is(err, ErrRefused):
		p.Status, p.Detail = http.StatusConflict, strings.TrimPrefix(err.Error(), ErrRefused.Error()+": ")
	case soon.Wait > 0:
		p.Status, p.Detail = http.StatusTooManyRequests, err.Error()
	case r.Context().Err() != nil:
		return
	default:
		rm.Log.Error("operator's API", slog.String("path", r.URL.Path), slog.Any("error", err))
	}
	p.Title = http.StatusText(p.Status)
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="broadsheet"`)
	}
	b, _ := json.Marshal(p) // texts and a number
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(b, '\n'))
}

// stream is an answer that may be too long for memory. It writes nothing before its first error.
type stream interface {
	writeTo(w http.ResponseWriter) error
}

func (rm *Room) openAPI(w http.ResponseWriter, _ *http.Request, _ *visit) error {
	b, err := files.ReadFile("assets/openapi.yaml")
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/yaml; charset=utf-8")
	_, _ = w.Write(b)
	return nil
}

// withLists is v with an empty list for every list that is not there: programs go through what is promised
// to be a list. What v points at may be others' too and stays as it is.
func withLists(v any) any {
	if v == nil {
		return nil
	}
	return listed(reflect.ValueOf(v)).Interface()
}

func listed(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.Slice:
		to := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			to.Index(i).Set(listed(v.Index(i)))
		}
		return to
	case reflect.Pointer:
		if v.IsNil() {
			return v
		}
		to := reflect.New(v.Type().Elem())
		to.Elem().Set(listed(v.Elem()))
		return to
	case reflect.Struct:
		to := reflect.New(v.Type()).Elem()
		to.Set(v)
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				to.Field(i).Set(listed(v.Field(i)))
			}
		}
		return to
	}
	return v
}

// numberIn is a number in a path; what is none is not found.
func numberIn(r *http.Request, name string) (int64, error) {
	n, err := strconv.ParseInt(r.PathValue(name), 10, 64)
	if err != nil || n < 0 {
		return 0, ErrNotFound
	}
	return n, nil
}
