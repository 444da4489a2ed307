package web

import (
	_ "embed" // zones.txt
	"html"
	"html/template"
	"strings"

	"broadsheet/templates"
)

//go:embed zones.txt
var zoneFile string

// zoneOptions are the time zones as the options of a select, in the words of a language: by
// region, each by its city.
func zoneOptions(w *templates.Words) string {
	var b strings.Builder
	last := ""
	for zone := range strings.Lines(zoneFile) {
		zone = strings.TrimSpace(zone)
		region, city, ok := strings.Cut(zone, "/")
		if !ok || strings.HasPrefix(zone, "#") {
			continue
		}
		if region != last {
			if last != "" {
				b.WriteString("</optgroup>\n")
			}
			b.WriteString(`<optgroup label="` + region + "\">\n")
			last = region
		}
		b.WriteString(`<option value="` + zone + `">` + html.EscapeString(zoneCity(w, city)) + "</option>\n")
	}
	b.WriteString("</optgroup>\n")
	return b.String()
}

// zoneCity is the name of a zone's city: "Argentina/Buenos_Aires" is Buenos Aires (Argentina).
func zoneCity(w *templates.Words, name string) string {
	name = strings.ReplaceAll(name, "_", " ")
	wider, city, ok := strings.Cut(name, "/")
	if !ok {
		city = wider
	}
	city = w.City(city)
	if ok {
		city += " (" + wider + ")"
	}
	return city
}

// zoneName is what a zone is called where it is not chosen from a list.
func zoneName(w *templates.Words, zone string) string {
	if _, city, ok := strings.Cut(zone, "/"); ok {
		return zoneCity(w, city)
	}
	return zone
}

// Zones are the options of a select of time zones with one of them chosen, which need not be
// among them: another name of a zone is as good.
func (v view) Zones(chosen string) template.HTML {
	options := v.zones
	if chosen == "" {
		return template.HTML(options)
	}
	value := `<option value="` + html.EscapeString(chosen) + `"`
	if at := strings.Index(options, value); at >= 0 {
		at += len(value)
		return template.HTML(options[:at] + " selected" + options[at:])
	}
	return template.HTML(value + " selected>" + html.EscapeString(strings.ReplaceAll(chosen, "_", " ")) + "</option>\n" + options)
}
