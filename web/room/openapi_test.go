package room

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

var update = flag.Bool("update", false, "write assets/openapi.yaml anew")

// TestOpenAPI holds the file against the handlers' table: every endpoint is in it with its role, parameters
// and the fields of its bodies, and nothing else is.
func TestOpenAPI(t *testing.T) {
	want := openAPIOf(t, (&Room{}).endpoints())
	if *update {
		if err := os.WriteFile("assets/openapi.yaml", want, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile("assets/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, want) {
		t.Error("assets/openapi.yaml is not what the handlers are: go test ./web/room -run OpenAPI -update, and read the change")
	}
}

// drawer makes schemas of types, each named one once.
type drawer struct {
	t     *testing.T
	made  map[string]reflect.Type
	order []string
	of    map[string]yaml.MapSlice
}

func openAPIOf(t *testing.T, all []endpoint) []byte {
	d := &drawer{t: t, made: map[string]reflect.Type{}, of: map[string]yaml.MapSlice{}}
	d.schema(reflect.TypeFor[Problem]())
	paths := map[string]yaml.MapSlice{}
	var order []string
	for _, e := range all {
		if paths[e.path] == nil {
			order = append(order, e.path)
		}
		paths[e.path] = append(paths[e.path], yaml.MapItem{Key: strings.ToLower(e.method), Value: d.operation(e)})
	}
	slices.Sort(order)
	var list yaml.MapSlice
	for _, path := range order {
		list = append(list, yaml.MapItem{Key: path, Value: paths[path]})
	}
	slices.Sort(d.order)
	var schemas yaml.MapSlice
	for _, name := range d.order {
		schemas = append(schemas, yaml.MapItem{Key: name, Value: d.of[name]})
	}
	doc := yaml.MapSlice{
		{Key: "openapi", Value: "3.1.0"},
		{Key: "info", Value: yaml.MapSlice{{Key: "title", Value: "Broadsheet"}, {Key: "version", Value: "1"},
			{Key: "description", Value: "What the pages of the operator's room show and do. Tokens: broadsheet tokens add. See docs/api.md."}}},
		{Key: "servers", Value: []yaml.MapSlice{{{Key: "url", Value: apiRoot}}}},
		{Key: "security", Value: []yaml.MapSlice{{{Key: "token", Value: []string{}}}}},
		{Key: "paths", Value: list},
		{Key: "components", Value: yaml.MapSlice{
			{Key: "securitySchemes", Value: yaml.MapSlice{{Key: "token", Value: yaml.MapSlice{{Key: "type", Value: "http"}, {Key: "scheme", Value: "bearer"}}}}},
			{Key: "responses", Value: yaml.MapSlice{{Key: "Problem", Value: yaml.MapSlice{{Key: "description", Value: "An error, by RFC 9457"},
				{Key: "content", Value: yaml.MapSlice{{Key: "application/problem+json", Value: yaml.MapSlice{{Key: "schema", Value: ref("Problem")}}}}}}}}},
			{Key: "schemas", Value: schemas},
		}},
	}
	b, err := yaml.MarshalWithOptions(doc, yaml.IndentSequence(true))
	if err != nil {
		t.Fatal(err)
	}
	return append([]byte("# Made of the handlers' table: go test ./web/room -run OpenAPI -update\n"), b...)
}

func ref(name string) yaml.MapSlice {
	return yaml.MapSlice{{Key: "$ref", Value: "#/components/schemas/" + name}}
}

var inPath = regexp.MustCompile(`\{([a-z_]+)\}`)

func (d *drawer) operation(e endpoint) yaml.MapSlice {
	if e.summary == "" || e.role == "" {
		d.t.Errorf("%s %s has no summary or no role", e.method, e.path)
	}
	op := yaml.MapSlice{{Key: "summary", Value: e.summary}, {Key: "description", Value: fmt.Sprintf("Takes the role %s.", e.role)}}
	var params []yaml.MapSlice
	for _, m := range inPath.FindAllStringSubmatch(e.path, -1) {
		kind := yaml.MapSlice{{Key: "type", Value: "string"}}
		if m[1] == "id" || m[1] == "issue" {
			kind = yaml.MapSlice{{Key: "type", Value: "integer"}}
		}
		params = append(params, yaml.MapSlice{{Key: "name", Value: m[1]}, {Key: "in", Value: "path"}, {Key: "required", Value: true}, {Key: "schema", Value: kind}})
	}
	for _, p := range e.query {
		params = append(params, yaml.MapSlice{{Key: "name", Value: p.name}, {Key: "in", Value: "query"}, {Key: "description", Value: cmp.Or(p.text, "only with this "+p.name)}, {Key: "schema", Value: yaml.MapSlice{{Key: "type", Value: "string"}}}})
	}
	if len(params) > 0 {
		op = append(op, yaml.MapItem{Key: "parameters", Value: params})
	}
	if e.in != nil {
		op = append(op, yaml.MapItem{Key: "requestBody", Value: yaml.MapSlice{{Key: "required", Value: true},
			{Key: "content", Value: yaml.MapSlice{{Key: "application/json", Value: yaml.MapSlice{{Key: "schema", Value: d.schema(e.in)}}}}}}})
	}
	return append(op, yaml.MapItem{Key: "responses", Value: yaml.MapSlice{
		{Key: "200", Value: yaml.MapSlice{{Key: "description", Value: "Done"}, {Key: "content", Value: yaml.MapSlice{{Key: "application/json", Value: yaml.MapSlice{{Key: "schema", Value: d.answer(e.out)}}}}}}},
		{Key: "default", Value: yaml.MapSlice{{Key: "$ref", Value: "#/components/responses/Problem"}}},
	}})
}

func (d *drawer) schema(t reflect.Type) yaml.MapSlice {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return yaml.MapSlice{{Key: "type", Value: "string"}, {Key: "format", Value: "date-time"}}
	case t == reflect.TypeFor[time.Duration]():
		return yaml.MapSlice{{Key: "type", Value: "integer"}, {Key: "description", Value: "nanoseconds"}}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return d.schema(t.Elem())
	case reflect.String:
		return yaml.MapSlice{{Key: "type", Value: "string"}}
	case reflect.Bool:
		return yaml.MapSlice{{Key: "type", Value: "boolean"}}
	case reflect.Float64, reflect.Float32:
		return yaml.MapSlice{{Key: "type", Value: "number"}}
	case reflect.Int, reflect.Int64, reflect.Int32, reflect.Int16, reflect.Int8, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return yaml.MapSlice{{Key: "type", Value: "integer"}}
	case reflect.Slice, reflect.Array:
		return yaml.MapSlice{{Key: "type", Value: "array"}, {Key: "items", Value: d.schema(t.Elem())}}
	case reflect.Map:
		return yaml.MapSlice{{Key: "type", Value: "object"}, {Key: "additionalProperties", Value: d.schema(t.Elem())}}
	case reflect.Struct:
		name := t.Name()
		if strings.HasSuffix(t.PkgPath(), "/operators") {
			name = "Operators" + name
		}
		if was := d.made[name]; was == nil {
			d.made[name] = t
			d.order = append(d.order, name)
			var props yaml.MapSlice
			var required []string
			d.fields(t, &props, &required)
			s := yaml.MapSlice{{Key: "type", Value: "object"}, {Key: "properties", Value: props}}
			if len(required) > 0 {
				s = append(s, yaml.MapItem{Key: "required", Value: required})
			}
			d.of[name] = append(s, yaml.MapItem{Key: "additionalProperties", Value: false})
		} else if was != t {
			d.t.Errorf("two types are called %s: %s and %s", name, was, t)
		}
		return ref(name)
	}
	d.t.Errorf("%s cannot be described", t)
	return nil
}

func (d *drawer) fields(t reflect.Type, props *yaml.MapSlice, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case tag == "-" || !f.IsExported():
			continue
		case f.Anonymous && tag == "":
			e := f.Type
			if e.Kind() == reflect.Pointer {
				e = e.Elem()
			}
			d.fields(e, props, required)
			continue
		case tag == "":
			d.t.Errorf("%s.%s has no JSON name", t, f.Name)
		}
		s := d.schema(f.Type)
		optional := strings.Contains(options, "omit")
		if f.Type.Kind() == reflect.Pointer && !optional {
			s = yaml.MapSlice{{Key: "oneOf", Value: []yaml.MapSlice{s, {{Key: "type", Value: "null"}}}}}
		}
		*props = append(*props, yaml.MapItem{Key: tag, Value: s})
		if !optional {
			*required = append(*required, tag)
		}
	}
}

// answer is the schema of a body that may be null where the handler gives a pointer.
func (d *drawer) answer(t reflect.Type) yaml.MapSlice {
	s := d.schema(t)
	if t.Kind() == reflect.Pointer {
		return yaml.MapSlice{{Key: "oneOf", Value: []yaml.MapSlice{s, {{Key: "type", Value: "null"}}}}}
	}
	return s
}
