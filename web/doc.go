// Package web answers links from mails, and GET /healthz with "ok" while the program runs.
//
// Every link in a digest is public_url/l/TOKEN. [Links] opens the token and does what a GET
// may do: it sends a reader who wants a story on to the story, and shows a page for everything
// else. It never changes anything: link scanners follow every link of every mail
// (RFC 8058 section 1 is about them), so a GET, HEAD or POST here leaves no trace.
package web
