package commands

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// fetch asks with a method and follows where it is led.
func fetch(t *testing.T, method, address string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequest(method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, address, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// mailLinks are the links of all mails in the inbox, each once and in their order.
func mailLinks(t *testing.T, base string) (links []string) {
	t.Helper()
	_, inbox := fetch(t, "GET", base+"/inbox")
	mails := regexp.MustCompile(`href="(/inbox/\d+)"`).FindAllStringSubmatch(inbox, -1)
	if len(mails) < 10 {
		t.Fatalf("there are %d mails in the inbox", len(mails))
	}
	seen := map[string]bool{}
	for _, m := range mails {
		_, source := fetch(t, "GET", base+m[1]+"/source")
		for _, link := range linksOf([]byte(source)) {
			if !seen[link] {
				seen[link] = true
				links = append(links, link)
			}
		}
	}
	return links
}

// TestDemoLinks opens every link of every mail in the demo's inbox: each leads to a page, and no
// page of this machine that it leads to is missing.
func TestDemoLinks(t *testing.T) {
	base := startDemo(t)
	links := mailLinks(t, base)
	if len(links) < 200 {
		t.Errorf("there are %d links in the mails", len(links))
	}
	href, pages, stories := regexp.MustCompile(`(?:href|src|action)="(/[^"#?]*)`), map[string]bool{}, 0
	for _, link := range links {
		if !strings.HasPrefix(link, base+"/l/") {
			t.Errorf("a link leads away: %s", link)
			continue
		}
		status, body := fetch(t, "GET", link)
		if head, _ := fetch(t, "HEAD", link); status != http.StatusOK || head != status {
			t.Errorf("%s gives %d, HEAD %d:\n%s", link, status, head, body)
		}
		if strings.Contains(body, `class="story"`) {
			stories++
		}
		for _, m := range href.FindAllStringSubmatch(body, -1) {
			pages[m[1]] = true
		}
	}
	if stories < 30 {
		t.Errorf("%d links lead to stories", stories)
	}
	if len(pages) < 20 {
		t.Errorf("the pages lead to %d others", len(pages))
	}
	for path := range pages {
		if status, _ := fetch(t, "GET", base+path); status != http.StatusOK {
			t.Errorf("%s, to which a page leads, gives %d", path, status)
		}
	}
}
