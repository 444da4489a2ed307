package intake_test

import (
	"fmt"
	"strings"
	"testing"

	"broadsheet/mailer"
	"broadsheet/subscribers"
)

// boxes are what tokens are for.
var boxes = []subscribers.Box{subscribers.Bounces, subscribers.Leaves, subscribers.Answers}

// comeBack are messages with %[1]s for the address that they came to, %[2]s for the fields of the
// report itself, %[3]s for those of the mail that came back, by class.
var comeBack = map[mailer.Class]string{
	mailer.Hard:       wayBack("failed", "5.1.1", "550 5.1.1 no such user"),
	mailer.Put:        wayBack("delayed", "4.4.1", "451 4.4.1 later"),
	mailer.Arrived:    wayBack("delivered", "2.0.0", "250 2.0.0 kept"),
	mailer.Complained: feedback("abuse"),
	mailer.OptedOut:   feedback("opt-out"),
}

func wayBack(action, status, said string) string {
	return `Return-Path: <>
From: MAILER-DAEMON@mx.reader.example
To: %[1]s
Subject: Mail delivery
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: text/plain

What became of your mail.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.reader.example
%[2]s
Final-Recipient: rfc822; ada@reader.example
Action: ` + action + `
Status: ` + status + `
Diagnostic-Code: smtp; ` + said + `

--b
Content-Type: text/rfc822-headers

%[3]sFrom: post@tidewater.example
Subject: Harbour

--b--
`
}

func feedback(kind string) string {
	return `From: fbl@reader.example
To: %[1]s
Subject: Complaint
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary=b

--b
Content-Type: text/plain

One of our users pressed a button.

--b
Content-Type: message/feedback-report

Feedback-Type: ` + kind + `
Version: 1
User-Agent: x
%[2]s
--b
Content-Type: text/rfc822-headers

%[3]sFrom: post@tidewater.example
Subject: Harbour

--b--
`
}

// TestBoxes: a token is good for what its box is for, wherever it stands; of each place, each box and
// each class of news.
func TestBoxes(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	places := map[string]func(token string) (to, report, returned string){}
	for _, box := range boxes {
		places["to "+box.Name()+"+"] = func(token string) (string, string, string) {
			return box.Name() + "+" + token + "@tidewater.example", "", ""
		}
	}
	within := func(format string, inReport bool) func(string) (string, string, string) {
		return func(token string) (string, string, string) {
			if field := fmt.Sprintf(format, token); inReport {
				return "fbl@tidewater.example", field, ""
			} else {
				return "fbl@tidewater.example", "", field + "\n"
			}
		}
	}
	places["Original-Envelope-Id"] = within("Original-Envelope-Id: %s\n", true)
	places["X-Broadsheet-Delivery"] = within("X-Broadsheet-Delivery: %s", false)
	for _, box := range boxes {
		places["Return-Path "+box.Name()] = within("Return-Path: <"+box.Name()+"+%s@tidewater.example>", false)
		places["List-Unsubscribe "+box.Name()] = within("List-Unsubscribe: <https://tidewater.example/x>,\n <mailto:"+box.Name()+"+%s@tidewater.example>", false)
		places["Reply-To "+box.Name()] = within("Reply-To: <"+box.Name()+"+%s@tidewater.example>", false)
	}
	for class, form := range comeBack {
		for place, put := range places {
			for _, box := range boxes {
				_, token, _ := strings.Cut(strings.TrimSuffix(o.to(box, 1), "@tidewater.example"), "+")
				to, report, returned := put(token)
				out := o.take(fmt.Sprintf(form, to, report, returned))
				complaint := class == mailer.Complained || class == mailer.OptedOut
				sure := false
				switch box {
				case subscribers.Bounces:
					sure = !strings.HasPrefix(place, "to ") || place == "to bounce+"
				case subscribers.Leaves:
					sure = complaint && strings.HasPrefix(place, "List-Unsubscribe")
				}
				leaves := class == mailer.OptedOut && place == "to unsub+" && box == subscribers.Leaves // whoever asks there leaves
				if leaves {
					if len(out.Events) != 0 || !strings.Contains(out.Effect, "left") {
						t.Errorf("%s, token of %s in %s: %q with %+v", class, box.Name(), place, out.Effect, out.Events)
					}
					continue
				}
				if out.Class != class || len(out.Events) != 1 || out.Events[0].Sure != sure || (out.Of.Subscriber == 1) != sure || (out.Events[0].Of.Subscriber == 1) != sure {
					t.Errorf("%s, token of %s in %s: class %s, of %+v, %+v; sure should be %v", class, box.Name(), place, out.Class, out.Of, out.Events, sure)
				}
				if task := complaint && !sure; (out.Task != "") != task {
					t.Errorf("%s, token of %s in %s: task %q", class, box.Name(), place, out.Task)
				}
			}
		}
	}
}

// TestBoxesOfWishes: whoever writes to an address for leaving leaves by a token of such an address
// alone; to others with the token of another box nothing happens, as Apple's form too.
func TestBoxesOfWishes(t *testing.T) {
	if testing.Short() {
		t.Skip("a database for each of many addresses")
	}
	t.Parallel()
	for _, form := range []string{"", "Auto-Submitted: auto-replied\nX-Apple-Unsubscribe: true\n"} {
		for _, address := range boxes {
			for _, box := range boxes {
				o := newOffice(t)
				_, token, _ := strings.Cut(o.to(box, 1), "+")
				out := o.take(letter("ada@reader.example", address.Name()+"+"+token, "", form, ""))
				want := "morning weekly"
				if address == subscribers.Leaves && box == subscribers.Leaves {
					want = "weekly"
				}
				if got := o.editions(1); got != want {
					t.Errorf("%q to %s+ with a token of %s: ada gets %q, not %q (%s)", form, address.Name(), box.Name(), got, want, out.Effect)
				}
			}
		}
	}
}
