// Package templates holds what a digest looks like and the fixed words it uses.
//
// A mail is put together from pieces: the frame's head, for each section a head, its stories and
// a foot, and the frame's tail. Each piece is one file, once as .html (html/template) and once
// as .txt (text/template), so that a piece can be rendered by itself and kept. The words of a
// language are one file, words/LANGUAGE.yaml, with plural forms as CLDR has them, names of
// months and weekdays, patterns for times, the digits to use and the direction of writing.
//
// [Load] takes the shipped files and puts those of an operator's folder in place of the ones of
// the same name. The result, a [Set], is read only and may be used by any number of goroutines.
//
// What varies from mail to mail (times, counts, links) is not rendered: the caller passes a
// [Mark], an opaque run of bytes that stays in the output to be filled later.
package templates
