package stories

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
)

const (
	maxRatio  = 100     // of unpacked to packed bytes
	ratioFrom = 1 << 20 // below this much, a high ratio harms nobody
)

// unpack reads a document that may be a gzip file by its first bytes, as some servers send feed.xml.gz.
func unpack(wire *counter) ([]byte, error) {
	br := bufio.NewReader(wire)
	if magic, _ := br.Peek(3); len(magic) == 3 && magic[0] == 0x1f && magic[1] == 0x8b && magic[2] == 8 {
		return inflate(br, wire)
	}
	return readLimited(br, nil)
}

func gunzip(wire *counter) ([]byte, error) { return inflate(bufio.NewReader(wire), wire) }

func inflate(br *bufio.Reader, wire *counter) ([]byte, error) {
	z, err := gzip.NewReader(br)
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	return readLimited(z, wire)
}

// readLimited reads up to the limit of an unpacked document. With wire it also watches how much comes out
// of how little.
func readLimited(r io.Reader, wire *counter) ([]byte, error) {
	var out []byte
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		out = append(out, buf[:n]...)
		if len(out) > maxUnpacked {
			return nil, fmt.Errorf("the document is larger than %d MB unpacked", maxUnpacked>>20)
		}
		if wire != nil && len(out) > ratioFrom && int64(len(out)) > maxRatio*wire.n {
			return nil, fmt.Errorf("the document unpacks to more than %d times its size", maxRatio)
		}
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read document: %w", err)
		}
	}
}
