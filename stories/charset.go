package stories

import (
	"bytes"
	"mime"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

var xmlEncoding = regexp.MustCompile(`^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']\s*([A-Za-z0-9._:-]+)`)

// toUTF8 turns a document into UTF-8 by what its bytes are, with what it says of itself as a hint:
// a byte order mark first; then bytes that can only be UTF-16; then, if the bytes are valid UTF-8,
// UTF-8, whatever a single-byte label claims; then the label of the HTTP header, then that of the
// XML declaration; and what is left is UTF-8 with stray bytes of Windows-1252 in it.
// Text that became UTF-8 twice is brought back once.
func toUTF8(data []byte, contentType string) []byte {
	return undouble(decode(data, contentType))
}

func decode(data []byte, contentType string) []byte {
	switch {
	case bytes.HasPrefix(data, []byte("\xef\xbb\xbf")):
		return patchUTF8(data[3:])
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("<\x00?\x00")), bytes.HasPrefix(data, []byte("{\x00")):
		return decodeWith(unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), data)
	case bytes.HasPrefix(data, []byte("\xfe\xff")), bytes.HasPrefix(data, []byte("\x00<\x00?")), bytes.HasPrefix(data, []byte("\x00{")):
		return decodeWith(unicode.UTF16(unicode.BigEndian, unicode.UseBOM), data)
	}
	head := data[:min(len(data), 1024)]
	var labels []string
	if _, params, err := mime.ParseMediaType(contentType); err == nil && params["charset"] != "" {
		labels = append(labels, params["charset"])
	}
	if m := xmlEncoding.FindSubmatch(head); m != nil {
		labels = append(labels, string(m[1]))
	}
	valid := utf8.Valid(data)
	for _, label := range labels {
		enc, name := lookup(label)
		switch {
		case enc == nil || name == "replacement" || strings.HasPrefix(name, "utf-16"):
			continue // unknown, or it would have looked like UTF-16 above
		case name == "utf-8":
			if valid {
				return data
			}
			continue
		case valid && !multiByte[name]:
			// Text in a single-byte set is as good as never valid UTF-8 by accident.
			return data
		}
		if out := decodeWith(enc, data); out != nil && (!multiByte[name] || !bytes.ContainsRune(out, utf8.RuneError)) {
			return out
		}
	}
	return patchUTF8(data)
}

// multiByte names the sets in which short texts can be valid UTF-8 by accident, or are plain ASCII.
var multiByte = map[string]bool{"gbk": true, "gb18030": true, "big5": true, "euc-jp": true, "euc-kr": true, "shift_jis": true, "iso-2022-jp": true, "hz-gb-2312": true}

func lookup(label string) (encoding.Encoding, string) {
	label = strings.ToLower(strings.TrimSpace(label))
	enc, name := charset.Lookup(label)
	if enc == nil && strings.HasPrefix(label, "cp125") {
		enc, name = charset.Lookup("windows-125" + label[len("cp125"):])
	}
	if enc == nil && strings.HasPrefix(label, "iso8859-") {
		enc, name = charset.Lookup("iso-" + label[3:])
	}
	return enc, name
}

func decodeWith(enc encoding.Encoding, data []byte) []byte {
	out, err := enc.NewDecoder().Bytes(data)
	if err != nil {
		return nil
	}
	return out
}

// patchUTF8 keeps valid UTF-8 and reads every other byte as Windows-1252, so that one stray byte
// does not spoil a document, and a document wholly in Windows-1252 comes out right as well.
func patchUTF8(data []byte) []byte {
	if utf8.Valid(data) {
		return data
	}
	out := make([]byte, 0, len(data)+len(data)/16)
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		if r == utf8.RuneError && size == 1 {
			out = utf8.AppendRune(out, charmap.Windows1252.DecodeByte(data[0]))
		} else {
			out = append(out, data[:size]...)
		}
		data = data[size:]
	}
	return out
}

// undouble mends documents whose UTF-8 was taken for Windows-1252 and made UTF-8 again ("cafÃ©"). Each stretch
// of other than ASCII must then be valid UTF-8 in Windows-1252 bytes. In honest text hardly one is, so a
// document counts as doubled if nearly all are.
func undouble(data []byte) []byte {
	good, bad := 0, 0
	eachStretch(data, func(_, packed []byte) {
		if packed != nil {
			good++
		} else {
			bad++
		}
	})
	if good < 3 || bad*20 > good {
		return data
	}
	out := make([]byte, 0, len(data))
	eachStretch(data, func(raw, packed []byte) {
		if packed != nil {
			raw = packed
		}
		out = append(out, raw...)
	}, func(ascii []byte) { out = append(out, ascii...) })
	return out
}

// eachStretch calls f for every stretch of characters other than ASCII, with its bytes and, if it is doubled,
// with those it was made of.
func eachStretch(data []byte, f func(raw, packed []byte), ascii ...func([]byte)) {
	var packed []byte
	for len(data) > 0 {
		n := 0
		for n < len(data) && data[n] < utf8.RuneSelf {
			n++
		}
		for _, g := range ascii {
			g(data[:n])
		}
		data = data[n:]
		packed = packed[:0]
		fits := true
		for n = 0; n < len(data) && data[n] >= utf8.RuneSelf; {
			r, size := utf8.DecodeRune(data[n:])
			b, ok := charmap.Windows1252.EncodeRune(r)
			if !ok && r >= 0x80 && r < 0xA0 {
				b, ok = byte(r), true // the five that Windows-1252 leaves open
			}
			fits = fits && ok
			packed = append(packed, b)
			n += size
		}
		if n == 0 {
			continue
		}
		if fits && utf8.Valid(packed) {
			f(data[:n], packed)
		} else {
			f(data[:n], nil)
		}
		data = data[n:]
	}
}
