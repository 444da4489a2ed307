package capacity

import "time"

// What things cost, measured with `broadsheet bench`; docs/scale.md has the commands, the machine and
// the date. These are the defaults of `simulate`: who measures anew changes them here.
const (
	// SendCPU is the sender's processor time for a mail from lease to outcome, TLS included:
	// bench --tls --in-doubt 50, "processor a message".
	SendCPU = 150 * time.Microsecond
	// LedgerCPU is the database server's processor time for a delivery's marks: intent, handed, outcome.
	LedgerCPU = 12 * time.Microsecond
	// OpenCPU is the database server's processor time for putting a delivery on record when an issue opens.
	OpenCPU = 60 * time.Microsecond
	// OpenRate is how many deliveries a second one database's issues are opened at: bench, readers
	// divided by the time of "opening".
	OpenRate = 5_000
	// Size is the octets of a mail on the wire, envelope and all: bench, "octets a message".
	Size = 50_000
	// Turn is what a connection waits for a mail, or a window of them, beside the round trips:
	// commit, composing, the relay. bench --delay 20ms, connections × in_doubt ÷ "messages a second", less the delay.
	Turn = 5 * time.Millisecond
	// DeliveryOctets is what a delivery keeps in the database, indexes included.
	DeliveryOctets = 110
	// DigestOctets is what a digest keeps, indexes included, and DigestShare how many a hundred
	// deliveries have.
	DigestOctets = 1_500
	DigestShare  = 85
	// Kept is both together.
	Kept = DeliveryOctets + DigestOctets*DigestShare/100
)
