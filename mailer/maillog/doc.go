// Package maillog reads the log of a Postfix: what became of mails after it took them. It is the one
// source that tells of delays and arrivals within seconds, for any next server.
//
// [File] follows a log file through rotations, and always knows the [Place] it has come to, so that
// reading can go on there another time. [Trace] takes its lines, as [Parse] reads them, and makes
// news of them: it knows a mail by its queue id from the line of the queue manager that names its
// envelope sender to the one that says "removed", and follows it when a filter hands it back to the
// same Postfix, which gives it another id (Postfix: FILTER_README, "after the queue").
//
// "sent" means that the last server seen in the log took the mail for good: a mailbox on this machine,
// or the next server on the way. What becomes of it behind that one does not stand in this log.
package maillog
