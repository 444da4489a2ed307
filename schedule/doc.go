// Package schedule says when. It reads schedule.yaml, in which operators write what recurs,
// and turns it into slots: the local occurrences of an edition in a time zone.
//
// [Load] reads the file strictly. The text becomes a syntax tree (read.go), each part of the
// tree becomes a noun of config.go (publication.go, sections.go, editions.go, relays.go), and
// whatever is wrong on the way is noted with its line and column (problem.go), so that one run
// shows every mistake. [Config.Secrets] and [Config.CheckFollowed] are the two checks that
// need more than the file: the environment, and the sections that readers follow.
//
// An edition's cron expression becomes a rule (cron.go): robfig's parser reads the fields into
// sets, after a form of it that this parser reads rightly was written out. The walk over dates
// is ours (slots.go): a rule says on which local dates and at which times of the day it fires,
// and only then does the zone say at which instant that is (zone.go). In a gap of the clock a
// slot moves forward by the gap, in an overlap the first of the two instants counts, and a
// date that a zone skipped has none.
//
// [Edition.Due] is the scheduler's whole decision, a pure rule over the clock and the last
// slot opened. Ask it at least every 30 s with the wall clock read anew: then neither a long
// sleep nor a clock set forward or back sends a mail twice or many at once (due.go).
//
// Nothing here reads a clock, opens a connection or keeps state between calls but for zones
// already loaded, and nothing panics on any input.
package schedule
