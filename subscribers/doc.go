// Package subscribers knows who reads: what they follow, where their consent came from, how they
// come in and go out as CSV, and how the links in their mails are signed. It stores nothing and
// sends nothing.
//
// # Who a reader is
//
// A reader is an address and [Settings]. [ParseAddress] decides which addresses are mailed,
// [Fold] which two are one reader, [Mask] how one looks in a log.
// [Settings.Validate] is the gate that every way in shares; [Settings.Set] reads one value in
// its CSV form for commands and forms. A [Suppression] lies beside the reader and is no status:
// it bars the address and outlives the reader, for an erased one as a [Hash] alone.
//
// # How rows come in and go out
//
// [NewReader] reads the header of a CSV file and [Reader.Next] one row at a time. A bad row is a
// [RowError] with its line, and reading goes on with the next line, after a broken quote too. A
// [Row] is a patch: what it does not give stays as it is. [Merge] makes the reader's new
// settings of it, by the one rule that a file can lower a status but never raise a reader who has
// not confirmed or has left. [NewWriter] writes the same columns so that a spreadsheet runs
// nothing and [NewReader] gets back exactly what went out. [NewSuppressionReader] and
// [NewSuppressionWriter] do the same for suppressions.
//
// # How links are signed
//
// [LoadKeys] reads the list of keys. The first entry signs, all verify, and none is ever taken
// out, for a link to leave works as long as the mail is kept; [Rotate] adds one in front. Each
// purpose has a key of its own, derived by HKDF (RFC 5869) under a label.
//
// A link's token holds an [Action] (what, for whom) and a truncated HMAC-SHA-256; nothing about
// it is stored. The mail's frozen key id goes into [Keys.AppendToken], so that a second copy is
// the same to the byte; [Keys.Open] answers with the action or with [ErrToken], never with a
// reason. A test mail carries [Inert] tokens.
//
// Message-IDs, suppression hashes and return paths come from the oldest key and never change
// ([Keys.MessageID], [Keys.AddressHash], [Keys.ReturnPath]); a database keeps
// [Keys.Fingerprint] to notice a wrong one.
package subscribers
