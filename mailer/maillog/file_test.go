package maillog

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// disk is a log that a test writes and rotates.
type disk struct {
	*testing.T
	path string
	file *os.File // that the writer has open
	n    int      // lines written
	aged int      // rotations
}

func newDisk(t *testing.T) *disk {
	d := &disk{T: t, path: filepath.Join(t.TempDir(), "mail.log")}
	t.Cleanup(func() { d.must(d.file.Close()) })
	d.create()
	return d
}

func (d *disk) must(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

// create begins the log anew, as a writer does once it is told of a rotation.
func (d *disk) create() {
	d.Helper()
	if d.file != nil {
		d.must(d.file.Close())
	}
	var err error
	d.file, err = os.OpenFile(d.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	d.must(err)
}

func (d *disk) write(s string) {
	d.Helper()
	_, err := d.file.WriteString(s)
	d.must(err)
}

// lines writes some, numbered.
func (d *disk) lines(n int) {
	d.Helper()
	for range n {
		d.n++
		d.write(fmt.Sprintf("%d\n", d.n))
	}
}

// older is the name of the log once it is rotated; modification times tell their order.
func (d *disk) older() string {
	d.aged++
	return fmt.Sprintf("%s-2026%04d", d.path, d.aged)
}

func (d *disk) age(path string) {
	at := time.Now().Add(time.Duration(d.aged-1000) * time.Hour)
	d.must(os.Chtimes(path, at, at))
}

// rename rotates as logrotate does by itself: the writer goes on in the old file until create.
func (d *disk) rename() string {
	d.Helper()
	path := d.older()
	d.must(os.Rename(d.path, path))
	return path
}

// copytruncate rotates as logrotate does for writers that cannot be told.
func (d *disk) copytruncate() {
	d.Helper()
	path := d.older()
	text, err := os.ReadFile(d.path)
	d.must(err)
	d.must(os.WriteFile(path, text, 0o600))
	d.must(os.Truncate(d.path, 0))
	d.age(path)
}

// all reads until there is no more.
func (d *disk) all(l *File) (lines []string, end Place) {
	d.Helper()
	for more := true; more; {
		var err error
		end, more, err = l.Read(func(line []byte, _ Place) { lines = append(lines, string(line)) })
		d.must(err)
	}
	return lines, end
}

// want reads on and compares with the numbers from and to.
func (d *disk) want(l *File, from, to int) Place {
	d.Helper()
	got, end := d.all(l)
	var want []string
	for n := from; n <= to; n++ {
		want = append(want, fmt.Sprint(n))
	}
	if !slices.Equal(got, want) {
		d.Fatalf("read %q, want %q", got, want)
	}
	return end
}

func TestFileNotThereYet(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mail.log")
	l := Follow(path, Place{})
	defer l.Close()
	if _, _, err := l.Read(func([]byte, Place) {}); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("no file: %v", err)
	}
	d := &disk{T: t, path: path}
	d.create()
	defer d.file.Close()
	d.want(l, 1, 0)
	d.write("1")
	d.want(l, 1, 0) // not whole
	d.write("\n2\n3")
	d.want(l, 1, 2)
	d.write("\n")
	d.want(l, 3, 3)
}

func TestFileGoesOn(t *testing.T) {
	d := newDisk(t)
	d.lines(5)
	l := Follow(d.path, Place{})
	end := d.want(l, 1, 5)
	l.Close()
	d.lines(3)
	l = Follow(d.path, end)
	defer l.Close()
	d.want(l, 6, 8)
	if l.Lost() != "" {
		t.Error("nothing is lost")
	}
}

func TestFileRenamed(t *testing.T) {
	d := newDisk(t)
	l := Follow(d.path, Place{})
	defer l.Close()
	d.lines(5)
	d.want(l, 1, 5)
	d.rename()
	d.lines(2) // the writer has not been told
	d.want(l, 6, 7)
	d.create()
	d.lines(0)
	d.want(l, 8, 7)
	d.lines(2)
	d.want(l, 8, 9)
	d.lines(1)
	d.rename()
	d.create()
	d.lines(1)
	d.want(l, 10, 11)
}

func TestFileCopiedAndCut(t *testing.T) {
	d := newDisk(t)
	l := Follow(d.path, Place{})
	defer l.Close()
	d.lines(5)
	d.want(l, 1, 5)
	d.lines(4)
	d.copytruncate()
	d.lines(3)
	d.want(l, 6, 12)
	d.copytruncate()
	d.lines(30) // longer than before by the time it is looked at
	d.want(l, 13, 42)
}

// TestFileRotatedMeanwhile: nobody read while the log was rotated more than once.
func TestFileRotatedMeanwhile(t *testing.T) {
	for _, how := range []string{"rename", "copytruncate"} {
		d := newDisk(t)
		l := Follow(d.path, Place{})
		d.lines(5)
		end := d.want(l, 1, 5)
		l.Close()
		for range 3 {
			d.lines(4)
			if how == "rename" {
				path := d.rename()
				d.create()
				d.age(path)
			} else {
				d.copytruncate()
			}
		}
		d.lines(2)
		l = Follow(d.path, end)
		d.want(l, 6, 19)
		if why := l.Lost(); why != "" {
			t.Errorf("%s: lost: %s", how, why)
		}
		l.Close()
	}
}

// TestFileGone: the rest of the old file is gone; what there is is read, and that is said.
func TestFileGone(t *testing.T) {
	d := newDisk(t)
	l := Follow(d.path, Place{})
	d.lines(5)
	end := d.want(l, 1, 5)
	l.Close()
	d.lines(2)
	path := d.rename()
	d.must(os.Rename(path, path+".gz")) // packed
	d.create()
	d.lines(2)
	l = Follow(d.path, end)
	defer l.Close()
	d.want(l, 8, 9)
	if l.Lost() == "" || l.Lost() != "" {
		t.Error("that lines are lost is said once")
	}
}

func TestFileLongLines(t *testing.T) {
	d := newDisk(t)
	l := Follow(d.path, Place{})
	defer l.Close()
	d.lines(1)
	long := strings.Repeat("x", 100_000)
	d.write(long + "\r\n")
	d.write(strings.Repeat("y", 3*atOnce))
	got, _ := d.all(l)
	if len(got) != 2 || got[1] != long {
		t.Fatalf("%d lines", len(got))
	}
	d.write(strings.Repeat("y", 10) + "\n")
	d.lines(1)
	d.want(l, 2, 2)
	// A writer that goes on at its old offset after a cut leaves a hole.
	d.must(os.Truncate(d.path, 0))
	d.write(strings.Repeat("\x00", 2*atOnce))
	d.lines(2)
	d.want(l, 3, 4)
}

// TestFileEarlier: what lies before the place is shown again, and is not read.
func TestFileEarlier(t *testing.T) {
	d := newDisk(t)
	d.lines(9)
	l := Follow(d.path, Place{})
	end := d.want(l, 1, 9)
	l.Close()
	d.lines(1)
	l = Follow(d.path, end)
	defer l.Close()
	var before []string
	d.must(l.Earlier(func(line []byte) { before = append(before, string(line)) }))
	if len(before) != 9 || before[8] != "9" {
		t.Errorf("before: %q", before)
	}
	d.want(l, 10, 10)
}

// TestFileAnyHow: whatever is done to the log, each line is read once, in order, also by one that
// starts anew from where it was.
func TestFileAnyHow(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	for range 10 {
		d := newDisk(t)
		d.lines(1)
		l := Follow(d.path, Place{})
		end := d.want(l, 1, 1)
		read := 1
		for range 60 {
			switch rnd.IntN(9) {
			case 0, 1, 2:
				d.lines(1 + rnd.IntN(5))
			case 3:
				path := d.rename()
				d.lines(rnd.IntN(3))
				d.create()
				d.age(path)
				d.lines(1 + rnd.IntN(3))
			case 4:
				d.copytruncate()
				d.lines(1 + rnd.IntN(60))
			case 5:
				l.Close()
				l = Follow(d.path, end)
			default:
				to := d.n
				if got, at := d.all(l); len(got) != to-read || len(got) > 0 && got[0] != fmt.Sprint(read+1) {
					t.Fatalf("read %q of %d to %d", got, read+1, to)
				} else {
					read, end = to, at
				}
			}
		}
		l.Close()
	}
}
