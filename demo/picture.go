package demo

import (
	"bytes"
	"hash/fnv"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"net/http"
	"path"
	"strings"
	"sync"
)

// Size of a drawing in pixels.
const pictureWidth, pictureHeight = 960, 540

// Pictures draws the pictures of the given stories: GET /NAME.png, whatever stands before
// the name. Each is a quiet landscape, always the same for the same story.
func Pictures(stories []Story) http.Handler {
	draw := map[string]func() []byte{}
	for _, s := range stories {
		if s.Picture != nil {
			draw[s.Slug+".png"] = sync.OnceValue(func() []byte { return drawPicture(s.Slug, s.Picture.Scene) })
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		picture, ok := draw[path.Base(r.URL.Path)]
		if !ok {
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "image/png")
		h.Set("Cache-Control", "max-age=3600")
		h.Set("X-Content-Type-Options", "nosniff")
		// The frame that shows a mail has an origin of its own.
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		_, _ = w.Write(picture())
	})
}

// scenes are sky above, sky below, sun, and three hills from far to near.
var scenes = map[string][6]uint32{
	"dusk":    {0x27496d, 0xf3c9a5, 0xfff1d6, 0x9d8189, 0x5d576b, 0x2b2d42},
	"morning": {0x8fc1d4, 0xf6ead7, 0xffd166, 0x8ab17d, 0x4f7f6b, 0x264653},
	"evening": {0x2a2d57, 0xe07a5f, 0xf4d58d, 0x81524a, 0x4a3b52, 0x1f1d36},
	"winter":  {0xcdd9e5, 0xf8f3ea, 0xe76f51, 0x9fb3c8, 0x627d98, 0x243b53},
	"sand":    {0xf2d0a4, 0xfff4e0, 0xd1495b, 0xd4a373, 0xa26769, 0x582c4d},
	"sea":     {0x0b3954, 0x5fa8a0, 0xf7ede2, 0x2a7f83, 0x145c68, 0x08303f},
}

// drawPicture paints sky, sun and hills, or a town behind the nearest hill. The slug decides
// where they stand.
func drawPicture(slug, scene string) []byte {
	h := fnv.New64a()
	_, _ = h.Write([]byte(slug))
	seed := h.Sum64()
	chance := rand.New(rand.NewPCG(seed, 17))
	name, place, _ := strings.Cut(scene, " ")
	p := scenes[name]
	sunX, sunY := 140+chance.Float64()*680, 110+chance.Float64()*150
	sunR := 46 + chance.Float64()*50
	var tops [3][pictureWidth]float64 // height of each hill in each column
	for i := range tops {
		high, length, shift := 26+chance.Float64()*34, 180+chance.Float64()*260, chance.Float64()*7
		for x := range tops[i] {
			fx := float64(x)
			tops[i][x] = 300 + 75*float64(i) + high*math.Sin(fx/length*2+shift) + 0.4*high*math.Sin(fx/length*5+shift*2)
		}
	}
	if place == "town" {
		for from := 0; from < pictureWidth; from += 24 {
			roof := 300 + chance.Float64()*130
			for x := from; x < from+24; x++ {
				tops[1][x] = roof
			}
		}
	}

	img := image.NewRGBA(image.Rect(0, 0, pictureWidth, pictureHeight))
	for y := range pictureHeight {
		fy := float64(y)
		sky := mix(rgb(p[0]), rgb(p[1]), math.Round(fy/pictureHeight*24)/24*1.4) // bands, as in a print
		for x := range pictureWidth {
			fx, c := float64(x), sky
			c = mix(c, rgb(p[2]), edge(sunR-math.Hypot(fx-sunX, fy-sunY)))
			c = mix(c, rgb(p[2]), 0.25*edge(sunR*1.7-math.Hypot(fx-sunX, fy-sunY)))
			for i := range tops {
				c = mix(c, rgb(p[3+i]), edge(fy-tops[i][x]))
			}
			img.SetRGBA(x, y, c)
		}
	}
	var b bytes.Buffer
	_ = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, img) // a bytes.Buffer does not fail
	return b.Bytes()
}

// edge is how much of a pixel lies inside, from its distance to the outline.
func edge(inside float64) float64 { return min(max(inside+0.5, 0), 1) }

func rgb(v uint32) color.RGBA { return color.RGBA{uint8(v >> 16), uint8(v >> 8), uint8(v), 255} }

// mix is a with a share t of b.
func mix(a, b color.RGBA, t float64) color.RGBA {
	switch {
	case t <= 0:
		return a
	case t >= 1:
		return b
	}
	m := func(x, y uint8) uint8 { return uint8(math.Round(float64(x) + (float64(y)-float64(x))*t)) }
	return color.RGBA{m(a.R, b.R), m(a.G, b.G), m(a.B, b.B), 255}
}
