package store

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"broadsheet/subscribers"
)

// The journal stands beside the database, a file for each process that writes into it:
// PATH.handed-START-PID. It says of every mail whose last octet was about to leave so, and of
// every reader who left and every story that was withdrawn, in a way that a database put back from a backup cannot undo.
//
// Its first line names the database, by the text that all copies of it have in common. Then
// come groups, one for each transaction with hands or leaves: "g LENGTH CRC", and LENGTH octets of
// lines "h AT EDITION SLOT SUBSCRIBER,SUBSCRIBER,..." or "KIND AT EDITION HASH" (leave.go), edition and
// slot quoted, the hash that of an address in hex: a number may be another reader's once a database is put
// back. An edition of "" is everything. A story is known by its keys there. A group is synced before the transaction commits, which keeps the file's name and the
// end of the group (table journals); a line "c" behind it, not synced, says that it did. What stands
// behind a group that did not get there is written over.

const (
	journalInfix = ".handed-"
	journalHead  = "broadsheet handed 1 "
)

// journal is the file of this process. It is used in the writer's turn only.
type journal struct {
	file *os.File
	name string // what its name has behind the database's
	end  int64  // of what stays
	next int64  // end of the group that is not committed yet, 0 = none
}

// open makes the file.
func (j *journal) open(path, database string, at time.Time) error {
	for n := range 100 {
		j.name = fmt.Sprintf("%s-%d", at.UTC().Add(time.Duration(n)*time.Microsecond).Format("20060102T150405.000000"), os.Getpid())
		f, err := os.OpenFile(path+journalInfix+j.name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		head := journalHead + database + "\n"
		if _, err = f.WriteString(head); err == nil {
			err = syncFolder(path)
		}
		if err == nil {
			err = noteJournal(path, '+', j.name)
		}
		if err != nil {
			f.Close()
			os.Remove(f.Name())
			return err
		}
		j.file, j.end = f, int64(len(head))
		return nil
	}
	return os.ErrExist
}

// journalFiles names the journals beside a database, by what their names have behind its own.
func journalFiles(path string) (names []string, err error) {
	files, err := os.ReadDir(filepath.Dir(path))
	for _, f := range files {
		if name, ok := strings.CutPrefix(f.Name(), filepath.Base(path)+journalInfix); ok {
			names = append(names, name)
		}
	}
	return names, err
}

// syncFolder makes the names in a file's folder safe from a power cut.
func syncFolder(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// add writes and syncs a group.
func (j *journal) add(group []byte) error {
	_, err := j.file.WriteAt(group, j.end)
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		j.drop()
		return err
	}
	j.next = j.end + int64(len(group))
	return nil
}

// keep says that the group is committed.
func (j *journal) keep() {
	if j.next == 0 {
		return
	}
	j.end, j.next = j.next, 0
	if n, err := j.file.WriteAt([]byte("c\n"), j.end); err == nil {
		j.end += int64(n)
	}
}

// drop takes back what was written last.
func (j *journal) drop() {
	j.next = 0
	if j.file != nil {
		_ = j.file.Truncate(j.end) // else the next group is written over it
	}
}

func (j *journal) close() error {
	if j.file == nil {
		return nil
	}
	return j.file.Close()
}

// journalGroup writes hands as a group.
func journalGroup(hands []hand, names map[int64]slotName) []byte {
	var b []byte
	for n, h := range hands {
		if before := n - 1; before >= 0 && hands[before].slot == h.slot && hands[before].at.Equal(h.at) {
			b = append(b, ',')
		} else {
			if n > 0 {
				b = append(b, '\n')
			}
			b = append(b, "h "...)
			b = strconv.AppendInt(b, us(h.at), 10)
			b = append(b, ' ')
			b = strconv.AppendQuote(b, names[h.slot].edition)
			b = append(b, ' ')
			b = strconv.AppendQuote(b, names[h.slot].key)
			b = append(b, ' ')
		}
		b = strconv.AppendInt(b, h.subscriber, 10)
	}
	return sealGroup(append(b, '\n'))
}

// sealGroup puts the head of a group before its lines.
func sealGroup(lines []byte) []byte {
	return append(fmt.Appendf(nil, "g %d %08x\n", len(lines), crc32.ChecksumIEEE(lines)), lines...)
}

// slotName is what names a slot in every copy of a database.
type slotName struct{ edition, key string }

// names looks up what slots are called; it never changes.
func (g *group) names(ctx context.Context) (map[int64]slotName, error) {
	names := g.db.ledger.slots
	if names == nil || len(names) > 1000 {
		names = make(map[int64]slotName)
		g.db.ledger.slots = names
	}
	for _, h := range g.hands {
		if _, ok := names[h.slot]; ok {
			continue
		}
		var s slotName
		if err := g.t.scan(ctx, `SELECT e.name, s.slot_key FROM slots s JOIN editions e ON e.id = s.edition WHERE s.id = ?1`,
			args{h.slot}, &s.edition, &s.key); err != nil {
			return nil, err
		}
		names[h.slot] = s
	}
	return names, nil
}

// journal writes the group's hands into the journal and notes in the database how far it goes.
func (g *group) journal(ctx context.Context) error {
	if len(g.hands) == 0 {
		return nil
	}
	names, err := g.names(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := g.db.journalAdd(ctx, g.t, journalGroup(g.hands, names)); err != nil {
		return err
	}
	g.sync = time.Since(began)
	return nil
}

// journalAdd writes a transaction's group into the journal, which is made with the first.
func (db *DB) journalAdd(ctx context.Context, t *tx, group []byte) error {
	if db.path == "" {
		return nil // the server keeps a log of its own, to any moment of which it can be put back
	}
	j := &db.ledger.journal
	if j.file == nil {
		var database string
		if err := t.scan(ctx, `SELECT value FROM meta WHERE name = 'database'`, nil, &database); err != nil {
			return err
		}
		if err := j.open(db.path, database, db.real()); err != nil {
			return fmt.Errorf("make journal: %w", full(err))
		}
	}
	if _, err := t.exec(ctx, `INSERT INTO journals (name, size) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET size = ?2`,
		j.name, j.end+int64(len(group))); err != nil {
		return err
	}
	if err := j.add(group); err != nil {
		return fmt.Errorf("write journal: %w", full(err))
	}
	return nil
}

// full puts the words for people in front of what the system says of a full disk.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w (%w)", ErrFull, err)
	}
	return err
}

// journalLine is a line of a group that has been read.
type journalLine struct {
	at time.Time
	slotName
	subscribers []int64
	hash        *subscribers.Hash // of who left or returned; nil in a line of hands
	kind        byte              // h, or one of lineKinds
}

// readJournal reads the lines of a journal's groups from an offset on, 0 = from the start, and
// where the last of them ends. left says that their mails left: there is a group whose
// transaction was committed. A torn end is left out.
func readJournal(r io.ReaderAt, size, from int64, database string) (lines []journalLine, end int64, left bool, err error) {
	head := journalHead + database + "\n"
	first := make([]byte, len(head))
	if _, err := r.ReadAt(first, 0); err != nil && err != io.EOF {
		return nil, 0, false, err
	}
	if string(first) != head || from > size {
		return nil, from, false, nil
	}
	from = max(from, int64(len(head)))
	b, err := io.ReadAll(io.NewSectionReader(r, from, size-from))
	if err != nil {
		return nil, 0, false, err
	}
	end = from
	groups, rest := 0, b
	for {
		line, more, ok := bytes.Cut(rest, []byte("\n"))
		if !ok {
			break
		}
		if string(line) == "c" {
			left, rest = left || groups > 0, more
			continue
		}
		var length int
		var sum uint32
		if n, err := fmt.Sscanf(string(line), "g %d %08x", &length, &sum); n != 2 || err != nil || length < 1 || length > len(more) ||
			crc32.ChecksumIEEE(more[:length]) != sum {
			break
		}
		for text := range strings.Lines(string(more[:length])) {
			l, err := parseLine(strings.TrimSuffix(text, "\n"))
			if err != nil {
				return nil, 0, false, fmt.Errorf("line %q: %w", text, err)
			}
			lines = append(lines, l)
		}
		groups++
		left = left || groups > 1 // the next is begun only when one is committed
		rest = more[length:]
		end = from + int64(len(b)-len(rest))
	}
	return lines, end, left, nil
}

var errJournalLine = errors.New("not a line of a journal")

func parseLine(text string) (l journalLine, err error) {
	kind, text, ok := strings.Cut(text, " ")
	at, text, more := strings.Cut(text, " ")
	v, err := strconv.ParseInt(at, 10, 64)
	if !ok || !more || err != nil || len(kind) != 1 || !strings.Contains("h"+lineKinds, kind) {
		return l, errJournalLine
	}
	l.at, l.kind = fromUS(v), kind[0]
	quoted := []*string{&l.edition, &l.key}
	if kind != "h" {
		quoted = quoted[:1]
	}
	for _, to := range quoted {
		quoted, err := strconv.QuotedPrefix(text)
		if err != nil {
			return l, errJournalLine
		}
		if *to, err = strconv.Unquote(quoted); err != nil {
			return l, errJournalLine
		}
		if text, ok = strings.CutPrefix(text[len(quoted):], " "); !ok {
			return l, errJournalLine
		}
	}
	if kind != "h" {
		b, err := hex.DecodeString(text)
		l.hash = new(subscribers.Hash)
		if err != nil || len(b) != len(l.hash) {
			return l, errJournalLine
		}
		copy(l.hash[:], b)
		return l, nil
	}
	for _, s := range strings.Split(text, ",") {
		id, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return l, errJournalLine
		}
		l.subscribers = append(l.subscribers, id)
	}
	return l, nil
}
