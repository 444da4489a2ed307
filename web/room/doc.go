// Package room is the operator's room: the pages and the API for those who run the program. They see
// every run, trust it, and step in. It has a listener of its own and none of the readers' pages.
//
// A [Room] knows no database. Each subject is a small interface declared beside the pages that use it,
// and met by the code that the commands run too: whatever a page can do, a command can. Routes are one
// table per subject ([route]); each names the least role that may use it, and the door (door.go) is the
// only way in. GET shows, POST acts and is answered with a redirect; every act has a who, and a
// why where it takes something back for good or is done in a reader's name.
package room
