package commands

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"broadsheet/operators"
	"broadsheet/store"
	"broadsheet/web/room"
)

// roomDoors meets [room.Doors].
type roomDoors struct {
	*engine
	delays *operators.Delays // of who fails to log in
}

// seenEvery is how exactly it is known when a session was used last: not every page is a write.
const seenEvery = time.Minute

// Empty meets [room.Doors].
func (w roomDoors) Empty(ctx context.Context) (bool, error) {
	list, err := w.db.Operators(ctx)
	return len(list) == 0, err
}

// prove finds the account whose password and code a try shows, and the step of the code, 0 = none is asked
// for. A wrong name takes as long as a wrong password and gives the same error.
func (w roomDoors) prove(ctx context.Context, t room.Try) (a operators.Account, step int64, err error) {
	name, nameErr := operators.ParseName(t.Name)
	if nameErr != nil {
		name = "?" // which is nobody's, and not the client's own record: that one has another measure
	}
	if wait := w.delays.Wait(t.Client, name, time.Now()); wait > 0 {
		return a, 0, room.TooSoon{Wait: wait}
	}
	if nameErr == nil {
		if a, err = w.db.OperatorNamed(ctx, name); err != nil && !errors.Is(err, store.ErrNotFound) {
			return a, 0, err
		}
	}
	good, err := operators.VerifyPassword(ctx, a.Password, t.Password)
	if err != nil {
		return a, 0, err
	}
	if good && a.HasCode {
		secret, err := w.keys.Unseal(a.Code, sealedFor(a.Name))
		if err != nil {
			return a, 0, fmt.Errorf("one-time codes of %s: %w", a.Name, err)
		}
		step, good = operators.CodeSecret(secret).Step(t.Code, time.Now(), a.Step)
	}
	if !good {
		w.log.Warn("not let into the operator's room", slog.String("client", t.Client))
		return a, 0, room.ErrNoEntry
	}
	return a, step, nil
}

// sealedFor is what an operator's secret is sealed for.
func sealedFor(name string) string { return "totp of " + name }

// LogIn meets [room.Doors].
func (w roomDoors) LogIn(ctx context.Context, t room.Try) (string, error) {
	a, step, err := w.prove(ctx, t)
	if err != nil {
		return "", err
	}
	secret, hash := operators.NewSecret("")
	if err := w.db.BeginSession(ctx, a, hash, step, t.Client, w.now()); errors.Is(err, store.ErrNotFound) {
		return "", room.ErrNoEntry // the code was shown in this very moment, or the password changed
	} else if err != nil {
		return "", err
	}
	w.delays.Passed(t.Client, a.Name)
	return secret, nil
}

// LogOut meets [room.Doors].
func (w roomDoors) LogOut(ctx context.Context, secret string) error {
	return w.db.EndSession(ctx, operators.HashSecret(secret))
}

// Session meets [room.Doors].
func (w roomDoors) Session(ctx context.Context, secret string, quiet bool) (*operators.Session, error) {
	hash, now := operators.HashSecret(secret), w.now()
	s, err := w.db.Session(ctx, hash, now)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err == nil && !quiet && now.Sub(s.Seen) >= seenEvery {
		// A disk that is full keeps nobody from looking at what is wrong.
		w.complain(ctx, "operator's session", w.db.SeeSession(ctx, hash, now))
	}
	return &s, err
}

// Token meets [room.Doors].
func (w roomDoors) Token(ctx context.Context, secret string) (*operators.Operator, error) {
	if !operators.IsToken(secret) {
		return nil, nil
	}
	k, err := w.db.Token(ctx, operators.HashSecret(secret), w.now())
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &operators.Operator{ID: k.ID, Name: "token " + k.Name, Role: k.Role}, nil
}

// refused turns what people did wrong into what pages say.
func refused(err error, name string) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("%w: nobody and nothing has the name %s", room.ErrNotFound, name)
	case errors.Is(err, store.ErrTaken):
		return fmt.Errorf("%w: the name %s is taken", room.ErrRefused, name)
	case errors.Is(err, store.ErrLastManager):
		return fmt.Errorf("%w: %w", room.ErrRefused, store.ErrLastManager)
	}
	return err
}

// Operators meets [room.Accounts].
func (w roomDoors) Operators(ctx context.Context) ([]operators.Account, error) {
	return w.db.Operators(ctx)
}

// hashNew checks a new password and hashes it.
func hashNew(ctx context.Context, name, password string) (string, error) {
	if err := operators.CheckPassword(name, password); err != nil {
		return "", fmt.Errorf("%w: %w", room.ErrRefused, err)
	}
	return operators.HashPassword(ctx, password)
}

// AddOperator meets [room.Accounts].
func (w roomDoors) AddOperator(ctx context.Context, by operators.By, name string, role operators.Role, password string) (string, error) {
	name, err := operators.ParseName(name)
	if err != nil {
		return "", fmt.Errorf("%w: %w", room.ErrRefused, err)
	}
	hash, err := hashNew(ctx, name, password)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s may come in, with the role %s", name, role), refused(w.db.AddOperator(ctx, by, name, role, hash, w.now()), name)
}

// SetRole meets [room.Accounts].
func (w roomDoors) SetRole(ctx context.Context, by operators.By, name string, role operators.Role) (string, error) {
	return fmt.Sprintf("%s has the role %s now", name, role), refused(w.db.SetOperatorRole(ctx, by, name, role, w.now()), name)
}

// SetPassword meets [room.Accounts].
func (w roomDoors) SetPassword(ctx context.Context, by operators.By, name, password string) (string, error) {
	hash, err := hashNew(ctx, name, password)
	if err != nil {
		return "", err
	}
	return name + " has a new password, and all their sessions are ended", refused(w.db.SetOperatorPassword(ctx, by, name, hash, w.now()), name)
}

// DropCode meets [room.Accounts].
func (w roomDoors) DropCode(ctx context.Context, by operators.By, name string) (string, error) {
	return name + " is asked for no one-time code any more", refused(w.db.SetOperatorCode(ctx, by, name, nil, 0, w.now()), name)
}

// RemoveOperator meets [room.Accounts].
func (w roomDoors) RemoveOperator(ctx context.Context, by operators.By, name string) (string, error) {
	return name + " is removed", refused(w.db.RemoveOperator(ctx, by, name, w.now()), name)
}

// ChangePassword meets [room.Accounts].
func (w roomDoors) ChangePassword(ctx context.Context, by operators.By, t room.Try, password string) (string, error) {
	if err := operators.CheckPassword(t.Name, password); err != nil {
		return "", fmt.Errorf("%w: %w", room.ErrRefused, err)
	}
	a, step, err := w.prove(ctx, t)
	if err != nil {
		return "", err
	}
	if err := w.db.UseCode(ctx, a, step); errors.Is(err, store.ErrNotFound) {
		return "", room.ErrNoEntry // the code was shown in this very moment
	} else if err != nil {
		return "", err
	}
	w.delays.Passed(t.Client, t.Name)
	return w.SetPassword(ctx, by, t.Name, password)
}

// NewCode meets [room.Accounts].
func (w roomDoors) NewCode(name string) (secret, uri string) {
	s := operators.NewCodeSecret()
	return s.String(), s.URI(w.cfg.Publication.Name, name)
}

// SetCode meets [room.Accounts]. Who has codes already has them taken away first, by others.
func (w roomDoors) SetCode(ctx context.Context, by operators.By, t room.Try, text string) (string, error) {
	secret, err := operators.ParseCodeSecret(text)
	if err != nil {
		return "", fmt.Errorf("%w: %w", room.ErrRefused, err)
	}
	a, err := w.db.OperatorNamed(ctx, t.Name)
	if err != nil {
		return "", refused(err, t.Name)
	}
	if a.HasCode {
		return "", fmt.Errorf("%w: one-time codes are set up already; to move them to another telephone, have them taken away first", room.ErrRefused)
	}
	if _, _, err := w.prove(ctx, t); err != nil {
		return "", err
	}
	w.delays.Passed(t.Client, t.Name)
	step, ok := secret.Step(t.Code, time.Now(), 0)
	if !ok {
		return "", fmt.Errorf("%w: this is not the code of this moment; look whether the telephone's clock is right", room.ErrRefused)
	}
	return "one-time codes are set up: log in with one", w.keepCode(ctx, by, t.Name, secret, step)
}

// keepCode takes a secret into use.
func (w roomDoors) keepCode(ctx context.Context, by operators.By, name string, secret operators.CodeSecret, step int64) error {
	return refused(w.db.SetOperatorCode(ctx, by, name, w.keys.Seal(secret, sealedFor(name)), step, w.now()), name)
}

// Tokens meets [room.Accounts].
func (w roomDoors) Tokens(ctx context.Context) ([]operators.Token, error) { return w.db.Tokens(ctx) }

// AddToken meets [room.Accounts].
func (w roomDoors) AddToken(ctx context.Context, by operators.By, name string, role operators.Role) (secret, said string, err error) {
	name, err = operators.ParseName(name)
	if err != nil {
		return "", "", fmt.Errorf("%w: %w", room.ErrRefused, err)
	}
	secret, hash := operators.NewSecret(operators.TokenPrefix)
	if err := refused(w.db.AddToken(ctx, by, name, role, hash, w.now()), name); err != nil {
		return "", "", err
	}
	return secret, fmt.Sprintf("the token %s is made, with the role %s", name, role), nil
}

// RevokeToken meets [room.Accounts].
func (w roomDoors) RevokeToken(ctx context.Context, by operators.By, name string) (string, error) {
	return "the token " + name + " is revoked", refused(w.db.RevokeToken(ctx, by, name, w.now()), name)
}
