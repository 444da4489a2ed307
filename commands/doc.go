// Package commands is the command line: flags, wiring and what is printed; one file per command. What the
// operator's room does is here too: each room_*.go meets an interface of web/room, and the command for the
// same act calls the same method, which asks for the reason and writes the audit log.
//
// [Run] builds the tree with cobra, opens what a command asks for (configuration, keys,
// database) and turns the command's error into an exit code: 0 done, 1 failed, 2 usage or
// configuration, 3 nothing to do, 4 another sender is at work, 5 held for a person.
// With --json standard output is JSON only, one object a line; everything else goes to
// standard error.
package commands
