package room

import (
	"io"
	"log/slog"
	"net/http"
	"time"
)

// download sends a file as it is written. Each stretch of it has the time that a page has, however long the whole
// takes. An error before the first octet is a page; after it the connection breaks, so that nobody takes a part
// for the whole. Without a name it is an answer to a program, not a file to be kept.
func (rm *Room) download(w http.ResponseWriter, r *http.Request, kind, name string, write func(out io.Writer) error) error {
	d := &fileWriter{w: w, kind: kind, name: name}
	err := write(d)
	if err == nil {
		_, err = d.Write(nil) // the end of it has its time too
	}
	if err == nil || !d.begun {
		return err
	}
	if r.Context().Err() == nil {
		rm.Log.Error("send file", slog.String("path", r.URL.Path), slog.Any("error", err))
	}
	panic(http.ErrAbortHandler)
}

// fileWriter is what a download writes to.
type fileWriter struct {
	w          http.ResponseWriter
	kind, name string
	begun      bool
}

func (d *fileWriter) Write(b []byte) (int, error) {
	if !d.begun {
		d.begun = true
		d.w.Header().Set("Content-Type", d.kind)
		if d.name != "" {
			d.w.Header().Set("Content-Disposition", `attachment; filename="`+d.name+`"`)
		}
	}
	_ = http.NewResponseController(d.w).SetWriteDeadline(time.Now().Add(streamPatience)) // a server that cannot has limits of its own
	return d.w.Write(b)
}

const (
	kindCSV   = "text/csv; charset=utf-8"
	kindLines = "application/x-ndjson"
)
