// Package web is what is answered over HTTP: what readers see and press in a browser, from sign-up,
// preferences and leaving to each digest as a page and the public face of every edition. It also
// answers GET /healthz with "ok" while the program runs, and GET /readyz with 503 while it cannot do its work.
//
// Every link in a mail is public_url/l/TOKEN. The token says what the link does and for whom
// ([subscribers.Action]); there is no password and no session. GET and HEAD show a page and never
// change anything, because link scanners follow every link of every mail; its button POSTs to the
// same address. Pages work without JavaScript.
//
// Beside them stands what providers report by POST /events/RELAY (events.go). The operator's room
// (web/room) has a listener of its own.
package web
