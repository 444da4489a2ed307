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
func toUTF8(data []byte, contentType string) []byte {
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
