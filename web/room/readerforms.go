package room

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"broadsheet/operators"
)

// sectionsOf makes the CSV form of what a form says of sections: fields level-ID (normal, less, muted, or
// "" for not followed) and place-ID, a number in the order that is wished.
func sectionsOf(form url.Values) string {
	type follow struct {
		cell  string
		place float64
	}
	var list []follow
	for name, values := range form {
		id, is := strings.CutPrefix(name, "level-")
		if !is || values[0] == "" {
			continue
		}
		place, err := strconv.ParseFloat(form.Get("place-"+id), 64)
		if err != nil {
			place = 1e6
		}
		sign := map[string]string{"less": "~", "muted": "-"}[values[0]]
		list = append(list, follow{sign + id, place})
	}
	slices.SortFunc(list, func(a, b follow) int { return cmp.Or(cmp.Compare(a.place, b.place), cmp.Compare(a.cell, b.cell)) })
	cells := make([]string, len(list))
	for n, f := range list {
		cells[n] = f.cell
	}
	return joined(cells)
}

func joined(list []string) string { return strings.Join(list, ";") }

// Import is the latest file of readers that was brought in by a page.
type Import struct {
	ID         int64      `json:"id"`
	File       string     `json:"file"`
	Who        string     `json:"who"`
	Began      time.Time  `json:"began"`
	Beat       time.Time  `json:"beat"`  // when it last got on
	State      string     `json:"state"` // running, done, failed, unfinished: the program ended before it did
	Size       int64      `json:"size"`  // octets
	Octets     int64      `json:"octets"`
	Rows       int        `json:"rows"` // so far
	New        int        `json:"new"`
	Changed    int        `json:"changed"`
	Same       int        `json:"same"`
	Suppressed int        `json:"suppressed"`
	Erased     int        `json:"erased"`
	Idle       int        `json:"idle"`
	Bad        int        `json:"bad"`
	Errors     []RowFault `json:"errors"` // the first of the bad rows
	Error      string     `json:"error"`  // why it failed
}

// RowFault is what is wrong with a row of a file.
type RowFault struct {
	Line   int    `json:"line"`
	Field  string `json:"field"`
	Reason string `json:"reason"`
}

// Percent is how far it is.
func (i *Import) Percent() int { return int(100 * i.Octets / max(i.Size, 1)) }

// maxUpload is how large a file may be: some million readers.
const maxUpload = 256 << 20

// uploadTime is how long it may take to come.
const uploadTime = 10 * time.Minute

func (rm *Room) importPage(w http.ResponseWriter, r *http.Request, v *visit) error {
	last, err := rm.Readers.LastImport(r.Context())
	if err != nil {
		return err
	}
	return rm.show(w, v, "import", last)
}

func (rm *Room) importProgress(w http.ResponseWriter, r *http.Request, _ *visit) error {
	last, err := rm.Readers.LastImport(r.Context())
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(last)
}

func (rm *Room) importErrors(w http.ResponseWriter, r *http.Request, _ *visit) error {
	return rm.download(w, r, kindCSV, "bad-rows.csv", func(to io.Writer) error { return rm.Readers.ImportErrors(r.Context(), to) })
}

// importReaders takes a form whose last field is the file: it is read as it comes.
func (rm *Room) importReaders(w http.ResponseWriter, r *http.Request, v *visit) error {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(uploadTime)) // a server that cannot has limits of its own
	_ = control.SetWriteDeadline(time.Now().Add(uploadTime))
	r.Body = http.MaxBytesReader(w, r.Body, maxUpload)
	form, err := r.MultipartReader()
	if err != nil {
		return refusef("no file came: choose one")
	}
	by := operators.By{Who: v.Name}
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return refusef("no file came: choose one")
		}
		if err != nil {
			return uploadError(err)
		}
		switch part.FormName() {
		case "why":
			text, err := io.ReadAll(io.LimitReader(part, 4<<10))
			if err != nil {
				return uploadError(err)
			}
			by.Why = strings.TrimSpace(string(text))
		case "file":
			said, err := rm.Readers.Import(r.Context(), by, part.FileName(), part)
			if err != nil {
				return uploadError(err)
			}
			return rm.back(w, r, "/subscribers/import", said)
		}
	}
}

func uploadError(err error) error {
	if _, is := errors.AsType[*http.MaxBytesError](err); is {
		return refusef("the file is larger than %d MB: cut it in parts, or use broadsheet subscribers import", maxUpload>>20)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, multipart.ErrMessageTooLarge) || strings.HasPrefix(err.Error(), "multipart: ") {
		return statusError{http.StatusBadRequest, "the form cannot be read"}
	}
	return err
}

func (rm *Room) exportReaders(w http.ResponseWriter, r *http.Request, v *visit) error {
	return rm.download(w, r, kindCSV, "subscribers.csv", func(to io.Writer) error { return rm.Readers.Export(r.Context(), v.by(r), to) })
}
