package commands

import (
	"errors"
	"fmt"
	"strings"

	"broadsheet/operators"
	"broadsheet/store"
	"broadsheet/web/room"
)

// errNoWhy says that an act lacks its reason.
var errNoWhy = errors.New("say why: the reason is kept in the audit log")

// needWhy refuses an act without a reason. The methods that act ask it themselves, so that pages, the API and commands
// have one rule: what takes mail or a story back for good, overrules a doubt, or is done in a reader's name needs one.
func needWhy(by operators.By) error {
	if strings.TrimSpace(by.Why) == "" {
		return fmt.Errorf("%w: %w", room.ErrRefused, errNoWhy)
	}
	return nil
}

// acted is the result, for people, of an act on something ("issue 7"): store's errors that a person can do
// something about are room's.
func acted(on, said string, err error) (string, error) {
	for _, e := range []error{store.ErrNothingLeft, store.ErrNoRetry, store.ErrNotUncertain, store.ErrTooLate, store.ErrOpening} {
		if errors.Is(err, e) {
			return "", fmt.Errorf("%w: %w", room.ErrRefused, err)
		}
	}
	if errors.Is(err, store.ErrNotFound) {
		return "", fmt.Errorf("%w: there is no %s", room.ErrNotFound, on)
	}
	return said, err
}

func refusedf(format string, args ...any) error {
	return fmt.Errorf("%w: %w", room.ErrRefused, fmt.Errorf(format, args...))
}

// plainRefusal leaves out what pages put before a refusal. That a reason is missing is a wrong use of the command.
func plainRefusal(err error) error {
	if errors.Is(err, errNoWhy) {
		return usagef("say why with --why: the reason is kept in the audit log")
	}
	for _, e := range []error{room.ErrRefused, room.ErrNotFound} {
		if errors.Is(err, e) {
			return errors.New(strings.TrimPrefix(err.Error(), e.Error()+": "))
		}
	}
	return err
}

// notDone gives an act's refusal its exit code: there was nothing to do.
func notDone(err error) error {
	if errors.Is(err, room.ErrRefused) && !errors.Is(err, errNoWhy) {
		return &exitError{exitNothing, plainRefusal(err)}
	}
	return plainRefusal(err)
}
