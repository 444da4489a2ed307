// Package bench holds what `broadsheet bench` measures with: invented readers and stories
// of a publication's size, the thinnest relay there is, a line with a fixed round trip, a plain
// sender to compare with, and the instruments.
//
// [Readers] and [News] make what goes into the scratch database, the same for the same numbers.
// [Sink] takes mail and looks at no more of it than it must, so that the sender is what is
// measured; [Delay] stands between the two where a distance is wanted. [Plain] is what
// somebody would write who has a mail library and a list of addresses. [Meter] reads what a
// stretch of work took of the processor and of memory.
//
// bench/compare runs all of it in alternating pairs and prints ratios.
// Nothing here is used when mail goes to real readers.
package bench
