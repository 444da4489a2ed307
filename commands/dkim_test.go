package commands

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	msgauth "github.com/emersion/go-msgauth/dkim"
)

func verifies(s *script, args []string) {
	records := map[string]string{}
	for d := json.NewDecoder(strings.NewReader(s.read(args[1]))); ; {
		var row recordJSON
		err := d.Decode(&row)
		if err == io.EOF {
			break
		}
		s.check(err)
		if records[row.Name] = row.Value; strings.Join(row.Strings, "") != row.Value {
			s.fail("the strings of %s are not its value", row.Name)
		}
	}
	found, err := msgauth.VerifyWithOptions(strings.NewReader(s.read(args[0])), &msgauth.VerifyOptions{
		LookupTXT: func(name string) ([]string, error) {
			if v, ok := records[name]; ok {
				return []string{v}, nil
			}
			return nil, fmt.Errorf("there is no record %s", name)
		}})
	s.check(err)
	for _, v := range found {
		s.check(v.Err)
	}
	if strconv.Itoa(len(found)) != args[2] {
		s.fail("%s has %d signatures, not %s", args[0], len(found), args[2])
	}
}
