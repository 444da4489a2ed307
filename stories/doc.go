// Package stories holds the story, the noun everything else is about, and the ways a
// story comes in.
//
// A [Fetcher] asks feeds for news. One fetch goes: is the feed due ([FeedState]); a
// conditional GET through a transport that connects to public addresses only; at most
// 10 MB from the wire, unpacked to at most 32 MB; [Parse]; sections from the items' own
// categories, else from the feed; [Shelf.AddStories], which decides by [Keys] what is new,
// and by [Story.Hash] what is revised; and last the feed's memory, with its failures in
// words.
//
// [Parse] never trusts a document. Bytes become UTF-8 by what they are rather than by what
// they claim; a scanner of our own then writes the document anew, well-formed, without
// DTD, comments and illegal characters, and within limits of depth, number and size. Only
// that copy reaches the feed parser. Its items become stories: one line of plain text for a
// headline, blocks of plain text for HTML, which goes through [Clean] first.
//
// [Import] takes the same from disk, feed files and saved article pages alike. [ParsePage]
// reads such a page: it finds the story's time first, reads backwards from it to byline,
// section and headline, and forwards through the text. Nothing of a page is dropped.
//
// The functions of this package have no state and may be called by any number of goroutines.
package stories
