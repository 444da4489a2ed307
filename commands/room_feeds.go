package commands

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"broadsheet/operators"
	"broadsheet/schedule"
	"broadsheet/store"
	"broadsheet/stories"
	"broadsheet/web/room"
)

// roomFeeds meets [room.Feeds].
type roomFeeds struct{ *engine }

const (
	feedDays    = 28             // shown
	feedHitDays = 7              // of which fetches are told
	failsAmber  = 3              // failures in a row from which on a feed is failing: two may be a restart
	failsRed    = 24 * time.Hour // without a success
	silentDays  = 2              // without a story, of a feed that has them daily
	dailyDays   = 10             // of the 12 before, on which it had some
	filesMost   = 20_000         // looked at in a folder
)

// sourceID names a feed or folder where its address, which may have a password, should not stand.
func sourceID(address string) string {
	sum := sha256.Sum256([]byte(address))
	return hex.EncodeToString(sum[:8])
}

func redacted(raw string) string {
	if u, err := url.Parse(raw); err == nil {
		return u.Redacted()
	}
	return raw
}

// spell is a duration without parts that are zero: 15m, 1h30m.
func spell(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// List meets [room.Feeds].
func (w roomFeeds) List(ctx context.Context) (*room.FeedList, error) {
	var err error
	list := &room.FeedList{Folders: []room.FolderHealth{}}
	if list.Feeds, err = w.feeds(ctx); err != nil {
		return nil, err
	}
	for _, a := range w.cfg.Articles {
		list.Folders = append(list.Folders, w.folder(&a))
	}
	gravity := map[string]int{"red": -2, "amber": -1}
	slices.SortStableFunc(list.Feeds, func(a, b room.FeedHealth) int { return gravity[a.Level] - gravity[b.Level] })
	slices.SortStableFunc(list.Folders, func(a, b room.FolderHealth) int { return gravity[a.Level] - gravity[b.Level] })
	return list, nil
}

func (w roomFeeds) feeds(ctx context.Context) ([]room.FeedHealth, error) {
	states, err := w.db.Feeds(ctx)
	if err != nil {
		return nil, err
	}
	days, err := w.db.FeedDays(ctx, w.now().AddDate(0, 0, 1-feedDays))
	if err != nil {
		return nil, err
	}
	list := []room.FeedHealth{}
	for _, f := range w.cfg.Feeds {
		n := slices.IndexFunc(states, func(s stories.FeedState) bool { return s.URL == f.URL })
		state := stories.FeedState{URL: f.URL}
		if n >= 0 {
			state = states[n]
		}
		list = append(list, w.health(&f, &state, days))
	}
	return list, nil
}

func (w roomFeeds) health(f *schedule.Feed, state *stories.FeedState, days []store.FeedDay) room.FeedHealth {
	now := w.now()
	h := room.FeedHealth{ID: sourceID(f.URL), URL: redacted(f.URL), Section: f.Section, Every: spell(f.Every), Fetched: state.Fetched, OK: state.OK,
		Due: state.Due, Failures: state.Failures, Error: state.Error, Items: state.Items, ETag: state.ETag != "" || state.LastModified != ""}
	today := now.UTC().Truncate(24 * time.Hour)
	for n := range feedDays {
		h.Days = append(h.Days, room.FeedDay{Day: today.AddDate(0, 0, n+1-feedDays)})
	}
	for _, d := range days {
		n := feedDays - 1 - int(today.Sub(d.Day)/(24*time.Hour))
		if d.URL != f.URL || n < 0 || n >= feedDays {
			continue
		}
		h.Days[n] = room.FeedDay{Day: d.Day, Fetches: d.Fetches, Hits: d.Unchanged, Failures: d.Failures, Stories: d.Stories}
		if n >= feedDays-feedHitDays {
			h.Fetches += d.Fetches
			h.Hits += d.Unchanged
		}
	}
	zone := time.UTC
	switch {
	case state.Fetched.IsZero():
		h.Level, h.State, h.Words = "amber", "not fetched yet", "It was never fetched."
		h.Next = "Try it now; serve fetches it by itself."
	case state.Failures > 0 && (state.OK.IsZero() || now.Sub(state.OK) >= failsRed):
		h.Level, h.State = "red", "failing"
		h.Words = "It has never worked."
		if !state.OK.IsZero() {
			h.Words = "It has not worked since " + at(state.OK, zone, now) + ": no story of it comes in."
		}
		h.Next = mend(state.Error)
		if state.OK.IsZero() && state.Failures < failsAmber {
			h.Level = "amber"
		}
	case state.Failures > 0:
		h.Level, h.State, h.Next = "amber", "failing", mend(state.Error)
		h.Words = fmt.Sprintf("The last %d tries failed; it worked at %s.", state.Failures, at(state.OK, zone, now))
		if state.Failures == 1 {
			h.Words = "The last try failed; it worked at " + at(state.OK, zone, now) + "."
		}
	case silent(h.Days):
		h.Level, h.State = "amber", "silent"
		h.Words = "It is fetched, and has had no new story for two days, though it used to have some daily."
		h.Next = "Open it in a browser: the publisher may have moved it, or stopped filling it."
	default:
		h.Level, h.State, h.Words = "green", "works", "It works."
	}
	return h
}

// silent reports whether a feed that has stories daily has had none for two whole days, and today.
func silent(days []room.FeedDay) bool {
	end := len(days) - 1 - silentDays
	for _, d := range days[end:] {
		if d.Stories > 0 {
			return false
		}
	}
	daily, fetched := 0, 0
	for _, d := range days[end-12 : end] {
		if d.Stories > 0 {
			daily++
		}
	}
	for _, d := range days[end:] {
		if d.Fetches > d.Failures {
			fetched++
		}
	}
	return daily >= dailyDays && fetched > 1
}

func (w roomFeeds) folderPath(dir string) string {
	if filepath.IsAbs(dir) {
		return dir
	}
	return filepath.Join(filepath.Dir(w.cfg.File), dir)
}

func (w roomFeeds) folder(a *schedule.Articles) room.FolderHealth {
	h := room.FolderHealth{ID: sourceID("folder " + a.Dir), Dir: a.Dir, Section: a.Section, Level: "green", Words: "It can be read."}
	looked := 0
	err := filepath.WalkDir(w.folderPath(a.Dir), func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if looked++; looked > filesMost {
			return fs.SkipAll
		}
		if info, err := d.Info(); err == nil && d.Type().IsRegular() {
			h.Files++
			if info.ModTime().After(h.Newest) {
				h.Newest = info.ModTime()
			}
		}
		return nil
	})
	switch {
	case err != nil:
		unread(&h, err)
	case h.Files == 0:
		h.Level, h.Words = "amber", "There is no file in it."
	}
	return h
}

// unread says of a folder that it cannot be read.
func unread(h *room.FolderHealth, err error) {
	if os.IsNotExist(err) {
		h.Level, h.Words, h.Next = "red", "The folder is not there.", "Make it, or change articles: in the configuration."
		return
	}
	h.Level, h.Words, h.Next = "red", "It cannot be read: "+err.Error(), "Give the program the right to read it."
}

// glance is a folder without its files: a look that costs little, for whoever asks every other second.
func (w roomFeeds) glance(a *schedule.Articles) room.FolderHealth {
	h := room.FolderHealth{ID: sourceID("folder " + a.Dir), Dir: a.Dir, Section: a.Section, Level: "green", Words: "It can be read."}
	path := w.folderPath(a.Dir)
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		err = readable(path)
	}
	if err != nil {
		unread(&h, err)
	}
	return h
}

// readable reads a name in a folder.
func readable(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	if _, err = dir.Readdirnames(1); errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// Try meets [room.Feeds].
func (w roomFeeds) Try(ctx context.Context, by operators.By, id string) (*room.Trial, error) {
	began := time.Now()
	for _, f := range w.cfg.Feeds {
		if sourceID(f.URL) == id {
			return w.tried(ctx, by, began, w.tryFeed(ctx, f.URL))
		}
	}
	for _, a := range w.cfg.Articles {
		if sourceID("folder "+a.Dir) == id {
			return w.tried(ctx, by, began, w.tryFolder(ctx, &a))
		}
	}
	return nil, fmt.Errorf("%w: this feed is not in the configuration any more", room.ErrNotFound)
}

// tried puts a trial on record.
func (w roomFeeds) tried(ctx context.Context, by operators.By, began time.Time, t *room.Trial) (*room.Trial, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	t.Millis = time.Since(began).Milliseconds()
	t.Warnings = list(t.Warnings)
	detail := t.Status
	if t.Error != "" {
		detail += ": " + t.Error
	}
	return t, w.db.Note(ctx, by, "feed try", t.Source, detail, w.now())
}

func (w roomFeeds) tryFeed(ctx context.Context, address string) *room.Trial {
	var same []stories.Feed // it may stand there for several sections
	for _, f := range w.cfg.Feeds {
		if f.URL == address {
			same = append(same, stories.Feed{URL: f.URL, Section: f.Section, Every: f.Every})
		}
	}
	results, err := w.fetcher().FetchAll(ctx, same, true)
	if err != nil { // of ctx alone: the caller sees it
		return &room.Trial{}
	}
	r := results[0]
	t := &room.Trial{Source: redacted(address), OK: r.Err == nil, Status: r.Status, Items: r.Items, New: r.Added.New, Revised: r.Added.Revised,
		Known: r.Added.Known, Warnings: r.Warnings, Due: r.Due}
	if r.Err != nil {
		t.Error, t.Next = r.Err.Error(), mend(r.Err.Error())
	}
	if r.Status == stories.Busy {
		t.OK, t.Error, t.Next = false, "another process is fetching it just now", "Look again in half a minute."
	}
	return t
}

func (w roomFeeds) tryFolder(ctx context.Context, a *schedule.Articles) *room.Trial {
	t := &room.Trial{Source: a.Dir, OK: true, Status: "read"}
	files, err := stories.Import(ctx, w.db, []string{w.folderPath(a.Dir)}, a.Section, sectionNames(w.cfg), w.now(), nil)
	if err != nil {
		t.OK, t.Error = false, err.Error()
	}
	for _, f := range files {
		t.Items += f.Items
		t.New += f.Added.New
		t.Revised += f.Added.Revised
		t.Known += f.Added.Known
		if f.Err != nil && len(t.Warnings) < 10 {
			t.Warnings = append(t.Warnings, filepath.Base(f.Path)+": "+f.Err.Error())
		}
	}
	if health := w.folder(a); health.Level == "red" {
		t.OK, t.Error, t.Next = false, health.Words, health.Next
	}
	if !t.OK {
		t.Status = "failed"
	}
	return t
}

// alarms lists what is wrong here.
func (w roomFeeds) alarms(ctx context.Context) ([]room.Alarm, error) {
	list, err := w.feeds(ctx)
	if err != nil {
		return nil, err
	}
	var alarms []room.Alarm
	for _, f := range list {
		failing := f.State == "failing" && (f.Level == "red" || f.Failures >= failsAmber)
		if !failing && f.State != "silent" {
			continue
		}
		since := f.OK // zero where it has never worked: when that began is not on record
		what := "feed " + f.URL + ": " + f.Words
		if f.Error != "" {
			what += " Last error: " + f.Error + "."
		}
		alarms = append(alarms, room.Alarm{Key: "feed " + f.URL, Level: f.Level, What: what, Since: since, Next: f.Next, Link: "/feeds#" + f.ID,
			Do: "broadsheet feeds try " + shellWord(f.URL)})
	}
	for _, a := range w.cfg.Articles {
		if f := w.glance(&a); f.Level == "red" {
			alarms = append(alarms, room.Alarm{Key: "folder " + f.Dir, Level: f.Level, What: "folder of articles " + f.Dir + ": " + f.Words, Next: f.Next, Link: "/feeds#" + f.ID})
		}
	}
	return alarms, nil
}
