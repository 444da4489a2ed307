package store

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"math"
	"strings"
	"unicode/utf8"
)

// Rows on their way between databases. A row is a list of nil, int64, string, []byte and float64, one for each
// column, whatever engine it comes from.

// take makes what an engine gives for a column what stands in a row. cleaned says that a text had octets that
// PostgreSQL does not take in one: NUL, or what is no UTF-8. Each run of them is U+FFFD then.
func (c *column) take(v any) (out any, cleaned bool, err error) {
	switch v := v.(type) {
	case nil:
		return nil, false, nil
	case int64:
		switch c.kind {
		case kindInt:
			return v, false, nil
		case kindReal:
			return float64(v), false, nil
		}
	case float64:
		if c.kind == kindReal {
			return v, false, nil
		}
	case string:
		switch c.kind {
		case kindText:
			out, cleaned := clean(v)
			return out, cleaned, nil
		case kindBlob:
			return []byte(v), false, nil
		}
	case []byte:
		if v == nil { // empty, and not NULL: a driver says so
			v = []byte{}
		}
		switch c.kind {
		case kindBlob:
			return v, false, nil
		case kindText:
			out, cleaned := clean(string(v))
			return out, cleaned, nil
		}
	}
	return nil, false, fmt.Errorf("column %s holds a %T", c.name, v)
}

// clean is a text as PostgreSQL takes it.
func clean(s string) (string, bool) {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s, false
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD"), true
}

// appendRow writes a row so that no two that differ are written alike.
func appendRow(b []byte, row []any) []byte {
	for _, v := range row {
		switch v := v.(type) {
		case nil:
			b = append(b, 'n')
		case int64:
			b = binary.BigEndian.AppendUint64(append(b, 'i'), uint64(v))
		case float64:
			b = binary.BigEndian.AppendUint64(append(b, 'r'), math.Float64bits(v))
		case string:
			b = append(binary.AppendUvarint(append(b, 't'), uint64(len(v))), v...)
		case []byte:
			b = append(binary.AppendUvarint(append(b, 'b'), uint64(len(v))), v...)
		}
	}
	return b
}

var errRow = errors.New("not a row")

// parseRow reads what appendRow wrote.
func parseRow(b []byte) (row []any, err error) {
	for len(b) > 0 {
		k, rest := b[0], b[1:]
		switch k {
		case 'n':
			row, b = append(row, nil), rest
		case 'i', 'r':
			if len(rest) < 8 {
				return nil, errRow
			}
			n := binary.BigEndian.Uint64(rest)
			if k == 'i' {
				row = append(row, int64(n))
			} else {
				row = append(row, math.Float64frombits(n))
			}
			b = rest[8:]
		case 't', 'b':
			n, used := binary.Uvarint(rest)
			if used <= 0 || n > uint64(len(rest)-used) {
				return nil, errRow
			}
			text := rest[used : used+int(n)]
			if k == 't' {
				row = append(row, string(text))
			} else {
				row = append(row, append([]byte{}, text...))
			}
			b = rest[used+int(n):]
		default:
			return nil, errRow
		}
	}
	return row, nil
}

// sum is of the rows of a table, in whatever order: of their SHA-256 hashes, each a number of 256 bits.
type sum struct {
	rows  int64
	parts [4]uint64

	hash    hash.Hash
	scratch []byte
	out     [sha256.Size]byte
}

func (s *sum) add(row []any) {
	if s.hash == nil {
		s.hash = sha256.New()
	}
	s.scratch = appendRow(s.scratch[:0], row)
	s.hash.Reset()
	s.hash.Write(s.scratch)
	h := s.hash.Sum(s.out[:0])
	var carry uint64
	for n := range s.parts {
		v := binary.LittleEndian.Uint64(h[8*n:])
		sum := s.parts[n] + v + carry
		carry = ((s.parts[n] & v) | ((s.parts[n] | v) &^ sum)) >> 63
		s.parts[n] = sum
	}
	s.rows++
}

func (s *sum) same(other *sum) bool { return s.rows == other.rows && s.parts == other.parts }

// String is the sum in hex.
func (s *sum) String() string {
	var b []byte
	for _, p := range s.parts {
		b = binary.LittleEndian.AppendUint64(b, p)
	}
	return hex.EncodeToString(b)
}
