package schedule

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

const (
	mostBytes    = 1 << 19 // 5,000 feeds are less
	mostNesting  = 8       // the keys need four
	mostKeys     = 100     // of one mapping; an edition has 23
	mostProblems = 100     // who has more is served better by the first hundred
)

// reader walks the file's syntax tree and gathers what is wrong with it. It reads the tree
// itself, since a decoder stops at its first complaint and forgets where a value stood.
type reader struct {
	*source
	problems Error
}

func (r *reader) wrong(at mark, format string, args ...any) {
	if len(r.problems) < mostProblems {
		r.problems = append(r.problems, r.problem(at, format, args...))
	}
}

// done hands back the problems in the order of the file.
func (r *reader) done() error {
	if len(r.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(r.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return r.problems
}

// tree parses the text; nil if that failed, with the problem noted. Anchors, aliases and tags
// are refused, which leaves no way to make a small file large, and so are deep nesting and
// mappings of very many keys, over which the parser's time grows with the square.
func (r *reader) tree(text []byte) (root ast.Node) {
	defer func() {
		if recover() != nil {
			root = nil
			r.wrong(mark{1, 1}, "it cannot be read as YAML")
		}
	}()
	tokens := lexer.Tokenize(string(text))
	if !r.plain(tokens) {
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		at := mark{1, 1}
		message := "it cannot be read"
		if e, ok := errors.AsType[yaml.Error](err); ok { // its Error would print the whole file in colour
			message = e.GetMessage()
			if tk := e.GetToken(); tk != nil && tk.Position != nil {
				at = mark{tk.Position.Line, tk.Position.Column}
			}
		}
		if strings.Contains(message, "reserved character") {
			message += "; put the value in quotes"
		}
		r.wrong(at, "it is not valid YAML: %s", message)
		return nil
	}
	for _, doc := range file.Docs {
		switch {
		case doc.Body == nil || doc.Body.Type() == ast.CommentType:
		case root != nil:
			r.wrong(where(doc.Body), "a second YAML document begins here; the file holds one")
			return nil
		default:
			root = doc.Body
		}
	}
	if root == nil {
		r.wrong(mark{1, 1}, "the file is empty; it needs publication, sections, editions and relays")
	}
	return root
}

// plain checks the tokens before the parser sees them.
func (r *reader) plain(tokens token.Tokens) bool {
	depth, many := 0, 0
	line, colons := 0, 0
	keys := make(map[int]int) // by column, outside brackets
	for _, tk := range tokens {
		at := mark{tk.Position.Line, tk.Position.Column}
		if at.line != line {
			line, colons = at.line, 0
		}
		switch tk.Type {
		case token.AliasType:
			r.wrong(at, "a value that begins with * must stand in quotes (YAML takes it for an alias, and aliases are not offered)")
			return false
		case token.AnchorType:
			r.wrong(at, "a value that begins with & must stand in quotes (YAML takes it for an anchor, and anchors are not offered)")
			return false
		case token.TagType:
			r.wrong(at, "a value that begins with ! must stand in quotes (YAML takes it for a tag, and tags are not offered)")
			return false
		case token.MergeKeyType:
			r.wrong(at, "merge keys (<<) are not offered; write the values out")
			return false
		case token.MappingKeyType:
			r.wrong(at, "a value that begins with ? must stand in quotes")
			return false
		case token.SequenceStartType, token.MappingStartType:
			depth, many = depth+1, 0
		case token.SequenceEndType, token.MappingEndType:
			depth, many = depth-1, 0
		case token.SequenceEntryType:
			if tk.Next != nil && tk.Next.Type == token.SequenceEntryType {
				r.wrong(at, "an empty list entry, or a list in a list, has no place here")
				return false
			}
			maps.DeleteFunc(keys, func(column, _ int) bool { return column > at.column })
		case token.MappingValueType:
			if depth > 0 {
				many++
				break
			}
			colons++
			if tk.Prev != nil { // the key
				column := tk.Prev.Position.Column
				maps.DeleteFunc(keys, func(c, _ int) bool { return c > column })
				keys[column]++
				many = keys[column]
			}
		}
		if depth > mostNesting || colons > mostNesting || tk.Position.IndentNum > 100 {
			r.wrong(at, "it is nested too deeply")
			return false
		}
		if many > mostKeys {
			r.wrong(at, "here are more than %d keys in one place; the file has no use for so many", mostKeys)
			return false
		}
	}
	return true
}

// where is the place of a node's first character.
func where(n ast.Node) mark {
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return where(n.Values[0])
		}
	case *ast.MappingValueNode:
		return where(n.Key)
	}
	if tk := n.GetToken(); tk != nil && tk.Position != nil {
		return mark{tk.Position.Line, tk.Position.Column}
	}
	return mark{1, 1}
}

// table is a mapping whose keys are known.
type table struct {
	*reader
	name   string // what messages call it: edition "morning"
	start  mark
	values map[string]ast.Node
	places map[string]mark // of the keys
}

// table reads a mapping and complains of unknown and repeated keys; ok is false if the node is
// no mapping.
func (r *reader) table(n ast.Node, name string, keys ...string) (t *table, ok bool) {
	var pairs []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	default:
		r.wrong(where(n), "%s must be keys with values, not %s; its keys are %s", name, kindOf(n), strings.Join(keys, ", "))
		return nil, false
	}
	t = &table{r, name, where(n), make(map[string]ast.Node), make(map[string]mark)}
	for _, pair := range pairs {
		at := where(pair.Key)
		key, isText := pair.Key.(*ast.StringNode)
		switch {
		case !isText || !slices.Contains(keys, key.Value):
			r.wrong(at, "%s: unknown key %s; %s", name, quoted(pair.Key), hint(pair.Key, keys))
		case t.places[key.Value] != mark{}:
			r.wrong(at, "%s: key %q is given twice, first in line %d", name, key.Value, t.places[key.Value].line)
		default:
			t.places[key.Value] = at
			if pair.Value != nil && pair.Value.Type() != ast.NullType {
				t.values[key.Value] = pair.Value
			}
		}
	}
	return t, true
}

func quoted(n ast.Node) string {
	if s, ok := n.(*ast.StringNode); ok {
		return fmt.Sprintf("%q", clip(s.Value))
	}
	return fmt.Sprintf("%q", clip(n.GetToken().Value))
}

// clip keeps a message to one readable line.
func clip(s string) string {
	if runes := []rune(s); len(runes) > 60 {
		return string(runes[:60]) + "…"
	}
	return s
}

// hint names the known key that was probably meant, or all of them.
func hint(n ast.Node, keys []string) string {
	s, ok := n.(*ast.StringNode)
	if ok && len(s.Value) < 40 {
		for _, key := range keys {
			if distance(strings.ToLower(strings.ReplaceAll(s.Value, "-", "_")), key) <= 2 {
				return fmt.Sprintf("did you mean %q?", key)
			}
		}
	}
	return "the keys are " + strings.Join(keys, ", ")
}

// distance counts the letters to be put in, left out or changed to turn a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

func kindOf(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "keys with values"
	case *ast.SequenceNode:
		return "a list"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.BoolNode:
		return "true or false"
	case *ast.NullNode:
		return "nothing"
	}
	return "text"
}

// at is the place of a key's value, of the key if it has none, else of the table.
func (t *table) at(key string) mark {
	if n, ok := t.values[key]; ok {
		return where(n)
	}
	if at, ok := t.places[key]; ok {
		return at
	}
	return t.start
}

// has reports whether the key has a value.
func (t *table) has(key string) bool { return t.values[key] != nil }

// bad complains of a key's value.
func (t *table) bad(key, format string, args ...any) {
	t.wrong(t.at(key), "%s: %s", t.name, fmt.Sprintf(format, args...))
}

// list is the nodes of a sequence; a value that is none is complained of.
func (t *table) list(key, of string) []ast.Node {
	n, ok := t.values[key]
	if !ok {
		return nil
	}
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		t.bad(key, "%s must be a list of %s, not %s", key, of, kindOf(n))
		return nil
	}
	return s.Values
}
