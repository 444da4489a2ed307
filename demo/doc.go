// Package demo holds what `broadsheet demo` needs around the real program: something to
// read, somebody to read it, and a post office that takes the mail.
//
// The flow: [Stories] are files under demo/stories, written for a publication that does not
// exist. [Feeds] serves them as real web feeds, in four formats, and shows a story only once
// its hour has come by the demo's clock, so that intake over a simulated day finds something
// new each time ([DirFeeds] serves a folder of feed files instead). [Readers] are a dozen
// people in as many zones. The digests made for them go out by SMTP to the [Relay], which
// refuses, greylists and defers as [Reader.Rule] says, and lays what it takes into an
// [Inbox]. A [Page] shows that in the browser, with every mail as HTML, text, source
// and headers. The pictures of the stories are drawn by [Pictures].
//
// Nothing here is used when mail goes to real readers.
package demo
