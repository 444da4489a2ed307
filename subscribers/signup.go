package subscribers

import (
	"errors"
	"time"
)

// SignUp is a form as a visitor sent it. The address is as typed, whatever that is: it is looked
// at off the request, so that the answer tells nothing about it. The choices were checked.
type SignUp struct {
	At         time.Time
	Subscriber int64    // whose address is to change; 0 = a new reader signs up
	Client     string   // where it came from: an IPv4 address or the /64 network of an IPv6 one
	Page       string   // address of the page with the form
	Wording    string   // what the visitor agreed to, as the page had it
	Language   string   // of the page
	Address    string   // as typed
	Choices    Settings // Address, Status and consent do not count
}

// Kinds of requests.
const (
	RequestSignUp  = "sign-up"
	RequestAddress = "address" // a reader's mail is to go to another address
)

// Request is a wish that waits for a confirmation by mail.
type Request struct {
	ID         int64
	Kind       string
	Subscriber int64
	Draft      Settings  // what is wished for; its Address is where the mail with the link goes
	At         time.Time // when it was made
	Expires    time.Time // when it is forgotten; its link is dead by then
	Used       time.Time // when it was confirmed, or another in its place; zero = not yet
}

// ErrBarred says that no confirmation brings an address back: a complaint, an operator or the law
// stands against it.
var ErrBarred = errors.New("the address is barred")
