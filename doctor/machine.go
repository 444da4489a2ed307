package doctor

import (
	"bufio"
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"broadsheet/secrets"
)

// Clock compares this machine's clock with the Date of web servers: the first that answers counts.
// They say whole seconds.
func Clock(ctx context.Context, client *http.Client, urls []string) Finding {
	return clock(ctx, client, urls, time.Now)
}

func clock(ctx context.Context, client *http.Client, urls []string, now func() time.Time) Finding {
	const fix = "Have the machine keep its clock by NTP: timedatectl set-ntp true, or chrony."
	if len(urls) == 0 {
		return amber("there is nobody to ask: the time is compared with the Date of web servers elsewhere, feeds' as a rule", fix)
	}
	last := ""
	for _, u := range urls {
		off, err := offset(ctx, client, u, now)
		if err != nil {
			last = err.Error()
			continue
		}
		host := u
		if parsed, err := url.Parse(u); err == nil {
			host = parsed.Host
		}
		seen := fmt.Sprintf("%s off the Date that %s gives", off.Round(time.Second).Abs(), host)
		switch {
		case off.Abs() >= clockRed:
			return red(seen, fix)
		case off.Abs() >= clockAmber:
			return amber(seen, fix)
		}
		return green("at most " + seen)
	}
	return amber("nobody says what time it is: "+last, "Try again once feeds can be fetched.")
}

// offset is how far this machine's clock is ahead.
func offset(ctx context.Context, client *http.Client, u string, now func() time.Time) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, u, nil)
	if err != nil {
		return 0, err
	}
	before := now()
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	half := now().Sub(before) / 2
	date, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		return 0, fmt.Errorf("%s gives no Date", req.URL.Host)
	}
	if age, err := strconv.Atoi(resp.Header.Get("Age")); err == nil { // a cache's answer
		date = date.Add(time.Duration(age) * time.Second)
	}
	off := before.Add(half).Sub(date)
	// A Date of 12:00:00 is anything up to 12:00:01.
	if off > 0 {
		off = max(0, off-time.Second)
	}
	return off, nil
}

// Disk looks at the free space where a file lies, which its growth and a copy of it need.
func Disk(path string) Finding {
	s, err := SpaceBeside(path)
	if err != nil {
		return amber("not known: "+err.Error(), "Look at the disk of "+path+".")
	}
	free := int64(s.Free)
	size := int64(0)
	if info, err := os.Stat(path); err == nil {
		size = info.Size()
	}
	seen := fmt.Sprintf("%s of %s free beside %s, which has %s", octets(free), octets(int64(s.Size)), path, octets(size))
	switch level := s.Level(); {
	case level == Red:
		return red(seen, "Free some space: once the disk is full nothing is sent.")
	case level == Amber:
		return amber(seen, "Free some space before it is full: nothing is sent then.")
	case free < size:
		return amber(seen, "Free some space: a backup needs as much as the database has.")
	}
	return green(seen)
}

func octets(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GB", n>>30)
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%d MB", n>>20)
	}
	return fmt.Sprintf("%d kB", (n+1023)>>10)
}

// Private looks whether files with secrets are their owner's alone. Empty names are left out.
func Private(files map[string]string) Finding {
	var seen, wrong []string
	level := Green
	for what, path := range files {
		if path == "" {
			continue
		}
		info, err := os.Stat(path)
		switch {
		case err != nil:
			wrong, level = append(wrong, fmt.Sprintf("%s cannot be looked at: %v", what, err)), Red
		case info.Mode().Perm()&0o007 != 0:
			wrong, level = append(wrong, fmt.Sprintf("everybody on this machine may use %s (%s, %s)", path, what, info.Mode().Perm())), Red
		case info.Mode().Perm()&0o070 != 0 && !secrets.Private(info):
			wrong = append(wrong, fmt.Sprintf("its group may use %s (%s, %s)", path, what, info.Mode().Perm()))
			if level == Green {
				level = Amber
			}
		default:
			seen = append(seen, what)
		}
	}
	switch {
	case len(wrong) > 0:
		return Finding{Level: level, Seen: sorted(wrong, "; "), Fix: "chmod 600 the file, as the user who runs the program."}
	case len(seen) == 0:
		return green("no secret is in a file")
	}
	return green("readable to their owner alone: " + sorted(seen, ", "))
}

// zoneDirs are where the Go runtime looks for the system's zones.
var zoneDirs = []string{"/usr/share/zoneinfo", "/usr/share/lib/zoneinfo", "/usr/lib/locale/TZ", "/etc/zoneinfo"}

// Zones says whose time zone data are in use, from when they are if that is known, and whether they have
// these zones.
func Zones(zones []string, dirs []string, now time.Time) Finding {
	const fix = "Bring the system's tzdata up to date; zones change their rules several times a year."
	var missing []string
	for _, z := range zones {
		if _, err := time.LoadLocation(z); err != nil {
			missing = append(missing, z)
		}
	}
	if len(missing) > 0 {
		return red("unknown: "+sorted(missing, ", ")+"; readers there are served at the publication's first city", fix)
	}
	if env := os.Getenv("ZONEINFO"); env != "" {
		return green("from ZONEINFO=" + env)
	}
	if dirs == nil {
		dirs = zoneDirs
	}
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, "Etc", "UTC")); err != nil {
			continue
		}
		version := zoneVersion(os.DirFS(dir))
		if version == "" {
			return green("the system's, " + dir)
		}
		seen := fmt.Sprintf("the system's, %s, version %s", dir, version)
		if year, err := strconv.Atoi(version[:min(4, len(version))]); err == nil && now.Year()-year > 2 {
			return amber(seen, fix)
		}
		return green(seen)
	}
	return amber("built into the program (as of "+runtime.Version()+"): the system has none", "Install the system's tzdata, which is brought up to date when zones change.")
}

// zoneVersion reads "2026a", "" if it does not stand there.
func zoneVersion(dir fs.FS) string {
	for _, name := range []string{"tzdata.zi", "+VERSION"} {
		f, err := dir.Open(name)
		if err != nil {
			continue
		}
		line, _ := bufio.NewReader(f).ReadString('\n')
		f.Close()
		if v := strings.TrimSpace(strings.TrimPrefix(line, "# version ")); v != "" && len(v) < 12 {
			return v
		}
	}
	return ""
}

// Wake looks at when what opens issues last looked, and when an issue was last opened; zero is never.
func Wake(last, opened, now time.Time) Finding {
	const fix = "Start serve, or have cron run send at each slot."
	age := now.Sub(last).Round(time.Second)
	switch {
	case last.IsZero() && opened.IsZero():
		return amber("serve has never run on this database", fix)
	case last.IsZero() || age > WakeLate && !Asleep(last, opened, now, false):
		return greenf("send opens the issues, the latest at %s; serve does not run", opened.UTC().Format(time.RFC3339))
	case Asleep(last, opened, now, false):
		return red(fmt.Sprintf("serve last looked for due issues %s ago", age), "See whether serve runs, and what its log says. Slots that were missed are made up for when it comes back.")
	}
	return greenf("serve looked for due issues %s ago", max(age, 0))
}

// Certificate looks at how long a certificate still holds.
func Certificate(until, now time.Time) Finding {
	days := int(until.Sub(now).Hours() / 24)
	seen := fmt.Sprintf("its certificate is valid until %s, %d days", until.UTC().Format(time.DateOnly), days)
	switch level := CertificateLevel(until.Sub(now)); {
	case until.Before(now):
		return red(seen, "It has run out: have it renewed.")
	case level == Red:
		return red(seen, "Have it renewed now: nothing goes to it afterwards.")
	case level == Amber:
		return amber(seen, "Most are renewed by themselves a month ahead: see why this one is not.")
	}
	return green(seen)
}

func sorted(list []string, sep string) string {
	slices.Sort(list)
	return strings.Join(list, sep)
}
