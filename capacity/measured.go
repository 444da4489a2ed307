package capacity

import "time"

// What things cost: the defaults of `simulate`, here and nowhere else. docs/scale.md has the command,
// the machine and the date of each; who measures anew changes both.
const (
	// SendCPU is the sender's processor time for a mail from lease to outcome, TLS included, unsigned:
	// bench --tls --in-doubt 50, "processor a message". With SQLite the ledger is in it.
	SendCPU = 150 * time.Microsecond
	// LedgerCPU is the database server's processor time for a delivery's marks: lease, intent, handed,
	// outcome, and for what a sender reads to compose: bench --db postgres://… --in-doubt 50, "PostgreSQL's".
	LedgerCPU = 50 * time.Microsecond
	// OpenRate is how many deliveries a second one database's issues are opened at: bench, readers
	// divided by the time of "opening".
	OpenRate = 5_500
	// OpenCPU is the database server's processor time for putting a delivery on record when an issue
	// opens, its digest's among it: the same, from the server's processes in /proc.
	OpenCPU = 50 * time.Microsecond
	// Size is the octets of a mail on the wire, envelope and all: bench, "octets a message".
	Size = 50_000
	// Turn is what a connection waits for a mail, or for a window of them, beside the round trips:
	// commit, composing, the relay. bench --delay: connections × in_doubt ÷ "messages a second", less
	// round trips × delay.
	Turn = 8 * time.Millisecond
	// DeliveryOctets is what a delivery keeps in PostgreSQL, its index included; in SQLite it is a third of that.
	DeliveryOctets = 335
	// DigestOctets is what a digest keeps, its index included, and DigestShare how many a hundred
	// deliveries have.
	DigestOctets = 1_540
	DigestShare  = 85
	// Kept is both together.
	Kept = DeliveryOctets + DigestOctets*DigestShare/100
)
