package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"broadsheet/subscribers"
)

// ErrCrowded says that too many forms came at once.
var ErrCrowded = errors.New("too many forms at once")

const (
	signUpGather  = 10 * time.Millisecond // forms that come within it share a transaction
	signUpsAtOnce = 2000                  // forms that may wait for theirs
)

// tray is where forms come together.
type tray struct {
	turn    chan struct{} // a mutex that is held while a group is gathered and written
	waiting chan *signUpCall
}

type signUpCall struct {
	form subscribers.SignUp
	done chan error
}

func newTray() *tray {
	return &tray{turn: make(chan struct{}, 1), waiting: make(chan *signUpCall, signUpsAtOnce)}
}

// AddSignUp puts a form on record, to be looked through by [DB.TakeSignUps]. Nothing of it is
// looked at: it takes as long for any address. Forms that come at about the same time share a
// transaction, so that many of them do not keep senders from writing. [ErrCrowded] if too many
// wait already.
func (db *DB) AddSignUp(ctx context.Context, s subscribers.SignUp) error {
	if _, cleaned := clean(s.Address); cleaned { // once it is, it would be another's
		s.Address = ""
	}
	c := &signUpCall{form: s, done: make(chan error, 1)}
	select {
	case db.tray.waiting <- c:
	default:
		return fmt.Errorf("add sign-up: %w", ErrCrowded)
	}
	for {
		select {
		case err := <-c.done:
			return err
		case db.tray.turn <- struct{}{}:
			db.addSignUps()
			<-db.tray.turn
		case <-ctx.Done(): // it may be written all the same
			return ctx.Err()
		}
	}
}

// addSignUps writes the forms that wait, and those that come while it gathers.
func (db *DB) addSignUps() {
	time.Sleep(signUpGather)
	calls := make([]*signUpCall, 0, len(db.tray.waiting))
	for more := true; more && len(calls) < signUpsAtOnce; {
		select {
		case c := <-db.tray.waiting:
			calls = append(calls, c)
		default:
			more = false
		}
	}
	if len(calls) == 0 {
		return
	}
	err := db.write(context.Background(), func(ctx context.Context, t *tx) error {
		for _, c := range calls {
			if err := t.addSignUp(ctx, &c.form); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		err = fmt.Errorf("add sign-up: %w", err)
	}
	for _, c := range calls {
		c.done <- err
	}
}

func (t *tx) addSignUp(ctx context.Context, s *subscribers.SignUp) error {
	b, err := json.Marshal(choicesOf(&s.Choices))
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, `INSERT INTO signups (at, subscriber, client, page, wording, language, address, choices)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)`, us(s.At), s.Subscriber, s.Client, s.Page, s.Wording, s.Language, s.Address, string(b))
	return err
}

// choices are the settings that a form has.
type choices struct {
	Sections []subscribers.Follow `json:"sections,omitempty"`
	Editions []string             `json:"editions,omitempty"`
	Hour     int                  `json:"hour"`
	Days     []int                `json:"days,omitempty"`
	Zone     string               `json:"zone,omitempty"`
	Language string               `json:"language,omitempty"`
	Format   subscribers.Format   `json:"format,omitempty"`
}

func choicesOf(s *subscribers.Settings) choices {
	return choices{s.Sections, s.Editions, s.Hour, s.Days, s.Zone, s.Language, s.Format}
}

// settings are c as settings of an address.
func (c choices) settings(address string, status subscribers.Status) subscribers.Settings {
	return subscribers.Settings{Address: address, Status: status, Sections: c.Sections, Editions: c.Editions,
		Hour: c.Hour, Days: c.Days, Zone: c.Zone, Language: c.Language, Format: c.Format}
}
