package digest

// Role is how much of a story a digest shows.
type Role string

const (
	Lead     Role = "lead"     // image, headline, two sentences
	Card     Role = "card"     // image where there is one, headline, one sentence
	Plain    Role = "plain"    // as card, without image
	Headline Role = "headline" // headline and meta line only
)

// Digest is one distinct list of (story revision, section, role) with its counts, in one
// language, format and zone. It is fixed when the issue opens: with the delivery's own
// fields it gives the mail, byte for byte, without a look at settings, templates or clock.
type Digest struct {
	ID       int64  // given by the store
	Key      string // identity within the issue: hex hash of the selection
	Language string
	Zone     string
	TextOnly bool
	Subject  string
	Items    []Item
	More     []int   // of each section in order, the N of its "N more"; nil where that is not known
	Pieces   []Piece // the whole message in order: header, text part, HTML part, end
	HTMLSize int     // octets of the decoded HTML part, tokens included
}

// Item is one story of a digest.
type Item struct {
	Story    int64  `json:"story"`
	Revision int64  `json:"revision"`
	Section  string `json:"section"`
	Role     Role   `json:"role"`
}

// Piece is a fragment with the values of its value marks, already encoded for their place.
type Piece struct {
	Fragment *Fragment
	Values   []string
}

// Fragment is a run of finished message text (quoted-printable in the body) with marks.
// It begins and ends at a line start and is shared between digests by pointer.
type Fragment struct {
	ID   int64 // in a digest that the store loaded; fragments are kept once by content
	Body []byte
}
