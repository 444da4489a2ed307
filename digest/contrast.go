package digest

import (
	"math"
	"strconv"
	"strings"

	"golang.org/x/net/html"
)

// colour is red, green and blue.
type colour [3]uint8

var (
	black = colour{}
	white = colour{255, 255, 255}
)

// colours are what text is drawn in, by inline styles alone: a light mail program's.
type colours struct {
	text, ground colour
	hidden       bool
}

// of are the colours within an element.
func (c colours) of(n *html.Node) colours {
	if given, ok := parseColour(attribute(n, "bgcolor")); ok {
		c.ground = given
	}
	for declaration := range strings.SplitSeq(attribute(n, "style"), ";") {
		name, value, _ := strings.Cut(declaration, ":")
		value = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "!important"))
		switch strings.TrimSpace(name) {
		case "color":
			if given, ok := parseColour(value); ok {
				c.text = given
			}
		case "background-color", "background":
			if given, ok := parseColour(value); ok {
				c.ground = given
			}
		case "display":
			c.hidden = c.hidden || value == "none"
		}
	}
	return c
}

// parseColour reads #rgb, #rrggbb, black and white.
func parseColour(s string) (c colour, ok bool) {
	switch s = strings.ToLower(strings.TrimSpace(s)); {
	case s == "black":
		return black, true
	case s == "white":
		return white, true
	case len(s) == 4 && s[0] == '#':
		s = "#" + strings.Repeat(s[1:2], 2) + strings.Repeat(s[2:3], 2) + strings.Repeat(s[3:4], 2)
	}
	if len(s) != 7 || s[0] != '#' {
		return c, false
	}
	v, err := strconv.ParseUint(s[1:], 16, 32)
	return colour{uint8(v >> 16), uint8(v >> 8), uint8(v)}, err == nil
}

// contrastOf is from 1 to 21, by WCAG.
func contrastOf(a, b colour) float64 {
	la, lb := a.luminance(), b.luminance()
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

func (c colour) luminance() float64 {
	light := func(v uint8) float64 {
		f := float64(v) / 255
		if f <= 0.04045 {
			return f / 12.92
		}
		return math.Pow((f+0.055)/1.055, 2.4)
	}
	return 0.2126*light(c[0]) + 0.7152*light(c[1]) + 0.0722*light(c[2])
}
