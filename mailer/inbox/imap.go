package inbox

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// keyword is the flag of settled messages, where the server keeps flags that clients make up.
const keyword imap.Flag = "Broadsheet"

// IMAP is a mailbox on a server (RFC 3501, RFC 9051). A message that is settled gets the flag \Seen
// and, where the server keeps such flags, the keyword Broadsheet; the keyword then tells what is
// settled, since people who look into the mailbox make messages seen. Without it, what is seen
// counts as settled. A message that is set aside goes to the mailbox Aside, which is made if it is
// missing: by MOVE if the server has it, else as a copy beside the settled message, for a client's
// own move would have to delete. Nothing is deleted.
//
// The connection is kept, and made anew when it is lost. Give it a mailbox of its own.
type IMAP struct {
	Host           string
	Port           int
	TLS            string // implicit, starttls or none
	Mailbox        string
	User, Password string
	RootCAs        *x509.CertPool // nil = the system's
	Timeout        time.Duration  // for the whole of one look or one settling; 0 = 2 minutes

	client   *imapclient.Client // nil = there is none
	validity uint32             // UIDVALIDITY of the mailbox as the client has it open
	keeps    bool               // it keeps the keyword
	aside    string             // name of the mailbox for what is set aside, "" = not known yet

	pending  []imap.UID // found and not yet fetched
	found    uint32     // UIDVALIDITY of pending
	round    bool       // what was found is being fetched
	oneByOne int        // of pending are fetched alone, for together they could not be
}

// Name returns "imap", the server and the mailbox.
func (m *IMAP) Name() string {
	return "imap " + net.JoinHostPort(m.Host, strconv.Itoa(m.Port)) + "/" + m.Mailbox
}

// Close logs out.
func (m *IMAP) Close() error {
	if m.client == nil {
		return nil
	}
	c := m.client
	m.client = nil
	timer := time.AfterFunc(5*time.Second, func() { c.Close() })
	defer timer.Stop()
	err := c.Logout().Wait()
	c.Close()
	return err
}

// Fetch reads up to n messages, and up to [fetchSize] octets, but at least one message. It searches
// the mailbox only once all that it found before has been fetched.
func (m *IMAP) Fetch(ctx context.Context, n int) (mails []Mail, err error) {
	if len(m.pending) == 0 && m.round {
		m.round = false
		return nil, nil
	}
	err = m.do(ctx, func(c *imapclient.Client) error {
		if len(m.pending) == 0 {
			if err := m.search(c); err != nil || len(m.pending) == 0 {
				return err
			}
			m.round = true
		}
		if m.found != m.validity { // the mailbox was made anew: the numbers mean nothing any more
			m.pending, m.round = nil, false
			return nil
		}
		mails, err = m.fetch(c, n)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("fetch from %s: %w", m.Name(), err)
	}
	return mails, nil
}

// search finds what is not settled.
func (m *IMAP) search(c *imapclient.Client) error {
	if err := c.Noop().Wait(); err != nil { // has the server tell what came in
		return err
	}
	mark := imap.FlagSeen
	if m.keeps {
		mark = keyword
	}
	found, err := c.UIDSearch(&imap.SearchCriteria{NotFlag: []imap.Flag{imap.FlagDeleted, mark}}, nil).Wait()
	if err != nil {
		return err
	}
	m.pending, m.found, m.oneByOne = found.AllUIDs(), m.validity, 0
	slices.Sort(m.pending)
	return nil
}

// fetch reads the first of what is pending. If several cannot be read together they are read one by
// one, and one that cannot be read even so is an outcome of its own.
func (m *IMAP) fetch(c *imapclient.Client, n int) ([]Mail, error) {
	if m.oneByOne > 0 {
		n = 1
	}
	uids := m.pending[:min(n, len(m.pending))]
	sizes, err := m.sizes(c, uids)
	if err != nil {
		return nil, err
	}
	room := int64(fetchSize)
	for i, uid := range uids {
		if room -= min(sizes[uid].Size, MaxSize); room < 0 && i > 0 {
			uids = uids[:i]
			break
		}
	}
	bodies, err := m.bodies(c, uids)
	switch {
	case err != nil && len(uids) > 1:
		m.oneByOne = len(uids)
		return nil, err
	case err != nil && m.oneByOne == 0:
		m.oneByOne = 1
		return nil, err
	}
	var mails []Mail
	for _, uid := range uids {
		mail, known := sizes[uid]
		raw, there := bodies[uid]
		if err == nil && (!known || !there) { // it has vanished
			continue
		}
		mail.Key, mail.Raw, mail.Err = fmt.Sprintf("%d/%d", m.validity, uid), raw, err
		mail.Size = max(mail.Size, int64(len(raw)))
		mails = append(mails, mail)
	}
	m.pending, m.oneByOne = m.pending[len(uids):], max(m.oneByOne-1, 0)
	return mails, nil
}

// sizes asks how large messages are and when they came.
func (m *IMAP) sizes(c *imapclient.Client, uids []imap.UID) (map[imap.UID]Mail, error) {
	list, err := c.Fetch(imap.UIDSetNum(uids...), &imap.FetchOptions{UID: true, RFC822Size: true, InternalDate: true}).Collect()
	if err != nil {
		return nil, err
	}
	mails := make(map[imap.UID]Mail, len(list))
	for _, b := range list {
		mails[b.UID] = Mail{At: b.InternalDate, Size: b.RFC822Size}
	}
	return mails, nil
}

// bodies reads the first [MaxSize] octets of messages; the server need not heed that.
func (m *IMAP) bodies(c *imapclient.Client, uids []imap.UID) (map[imap.UID][]byte, error) {
	cmd := c.Fetch(imap.UIDSetNum(uids...), &imap.FetchOptions{UID: true,
		BodySection: []*imap.FetchItemBodySection{{Peek: true, Partial: &imap.SectionPartial{Size: MaxSize}}}})
	defer cmd.Close()
	bodies := make(map[imap.UID][]byte, len(uids))
	for data := cmd.Next(); data != nil; data = cmd.Next() {
		uid, raw, there := imap.UID(0), []byte(nil), false
		for item := data.Next(); item != nil; item = data.Next() {
			switch item := item.(type) {
			case imapclient.FetchItemDataUID:
				uid = item.UID
			case imapclient.FetchItemDataBodySection:
				if there = true; item.Literal == nil {
					continue
				}
				b, err := io.ReadAll(io.LimitReader(item.Literal, MaxSize))
				if err == nil && int64(len(b)) < min(item.Literal.Size(), MaxSize) {
					err = io.ErrUnexpectedEOF
				}
				if err != nil {
					c.Close() // the client goes on reading by itself then: nothing must be read beside it
					return nil, fmt.Errorf("read message %d: %w", uid, err)
				}
				raw = b
			}
		}
		if there {
			bodies[uid] = raw
		}
	}
	return bodies, cmd.Close()
}

// Settle marks messages, or moves them aside.
func (m *IMAP) Settle(ctx context.Context, mails []Mail, aside bool) error {
	err := m.do(ctx, func(c *imapclient.Client) error {
		var uids imap.UIDSet
		for _, mail := range mails {
			var validity uint32
			var uid imap.UID
			if _, err := fmt.Sscanf(mail.Key, "%d/%d", &validity, &uid); err != nil {
				return fmt.Errorf("key %q is none of this mailbox: %w", mail.Key, err)
			}
			if validity == m.validity { // of a mailbox that was made anew all comes again
				uids.AddNum(uid)
			}
		}
		if len(uids) == 0 {
			return nil
		}
		if aside {
			return m.setAside(c, uids)
		}
		return m.mark(c, uids)
	})
	if err != nil {
		return fmt.Errorf("settle in %s: %w", m.Name(), err)
	}
	return nil
}

// mark gives messages the flags of what is settled.
func (m *IMAP) mark(c *imapclient.Client, uids imap.UIDSet) error {
	flags := []imap.Flag{imap.FlagSeen}
	if m.keeps {
		flags = append(flags, keyword)
	}
	return c.Store(uids, &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: flags}, nil).Close()
}

// setAside moves messages to the mailbox for them.
func (m *IMAP) setAside(c *imapclient.Client, uids imap.UIDSet) error {
	if err := m.findAside(c); err != nil {
		return err
	}
	if c.Caps().Has(imap.CapMove) {
		_, err := c.Move(uids, m.aside).Wait()
		return err
	}
	if _, err := c.Copy(uids, m.aside).Wait(); err != nil {
		return err
	}
	return m.mark(c, uids)
}

// findAside finds or makes the mailbox for what is set aside: beside the mailbox, or below it where
// a server allows no other place.
func (m *IMAP) findAside(c *imapclient.Client) error {
	if m.aside != "" {
		return nil
	}
	names := []string{"Aside"}
	if list, err := c.List("", "", nil).Collect(); err == nil && len(list) == 1 && list[0].Delim != 0 {
		names = append(names, m.Mailbox+string(list[0].Delim)+"Aside")
	}
	var failed error
	for _, name := range names {
		list, err := c.List("", name, nil).Collect()
		if err != nil {
			return err
		}
		if len(list) == 0 {
			if err := c.Create(name, nil).Wait(); err != nil {
				failed = errors.Join(failed, fmt.Errorf("make mailbox %s: %w", name, err))
				continue
			}
		}
		m.aside = name
		return nil
	}
	return failed
}
