// Package templates holds what a digest looks like and the fixed words it uses.
//
// A mail is put together from pieces. Each piece is one file, once as .html (html/template) and
// once as .txt (text/template), so that it can be rendered by itself, once, and kept:
//
//	head            frame up to the first section: masthead, cities, date, counts, contents
//	contents        one line naming the sections with their counts
//	section-head    a section's name
//	story-lead      the first story of all, with picture and two sentences
//	story-card      a story with its picture, if it has one, and one sentence
//	story-plain     the same without picture, where a mail would get too big
//	story-headline  headline and the line below it alone, where it still would
//	meta            the line below a story: who, where, whose, when, how long
//	section-foot    how many more there are, and less, mute, move up
//	tail            frame after the last section: why, next issue, preferences, ways out, address
//
// What a piece is given is the view of package digest of that name (frameView, storyView,
// sectionView, contentsView); in all of them W is the [Words] of the digest's language. HTML and
// text must show the same links in the same order.
//
// The words of a language are one file, words/LANGUAGE.yaml, with plural forms as CLDR has them,
// names of months and weekdays, patterns for times, the digits to use and the direction of writing.
//
// [Load] takes the shipped files and puts those of an operator's folder in place of the ones of
// the same name. The result, a [Set], is read only and may be used by any number of goroutines.
//
// What varies from mail to mail (times, counts, links) is not rendered: the caller passes a
// [Mark], an opaque run of bytes that stays in the output to be filled later. In HTML, {{mark .X}}
// prints one and {{href .X}} makes a link's attribute of one; in text {{.X}} does. {{wrap "  " .X}}
// breaks text at 72 columns with that indent, {{hang "  " .X}} leaves the first line without it,
// {{upper .X}} makes capitals.
package templates
