package commands

import (
	"io"
	"os"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// bar shows how far long work has come, on a terminal only. The zero value shows nothing.
type bar struct {
	container *mpb.Progress
	bar       *mpb.Bar
}

// progress starts a bar on w. total 0 means that it is not known.
func progress(w io.Writer, name string, total int64) *bar {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return &bar{}
	}
	container := mpb.New(mpb.WithOutput(f), mpb.WithWidth(48))
	after := []decor.Decorator{decor.CurrentNoUnit(" %d")}
	if total > 0 {
		after = []decor.Decorator{decor.CountersNoUnit(" %d of %d"), decor.Percentage(decor.WCSyncSpace), decor.AverageSpeed(0, " %.0f/s"),
			decor.OnComplete(decor.AverageETA(decor.ET_STYLE_GO, decor.WCSyncSpace), "")}
	}
	return &bar{container, container.AddBar(total,
		mpb.PrependDecorators(decor.Name(name+" ")), mpb.AppendDecorators(after...))}
}

// step says that one more is done. It may be called from many goroutines.
func (b *bar) step() {
	if b.bar != nil {
		b.bar.Increment()
	}
}

// set says that n are done.
func (b *bar) set(n int64) {
	if b.bar != nil {
		b.bar.SetCurrent(n)
	}
}

// done ends the bar and waits until it is drawn.
func (b *bar) done() {
	if b.bar != nil {
		b.bar.SetTotal(-1, true)
		b.container.Wait()
	}
}

// reading counts the octets read through it.
type reading struct {
	io.Reader
	bar *bar
	n   int64
}

func (r *reading) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.n += int64(n)
	r.bar.set(r.n)
	return n, err
}
