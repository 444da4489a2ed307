package stories

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
)

const (
	maxRatio  = 100     // of unpacked to packed bytes
	ratioFrom = 1 << 20 // below this much, a high ratio harms nobody
)

// readAtMost reads up to limit bytes; size is how many there should be, or -1.
func readAtMost(r io.Reader, size, limit int64) ([]byte, error) {
	var b bytes.Buffer
	if size > 0 && size <= limit {
		b.Grow(int(size) + bytes.MinRead)
	}
	n, err := b.ReadFrom(io.LimitReader(r, limit+1))
	if n > limit {
		return nil, fmt.Errorf("the document is larger than %d MB", limit>>20)
	}
	if err != nil {
		return nil, fmt.Errorf("read document: %w", err)
	}
	return b.Bytes(), nil
}

// isGzip looks at the first bytes: some servers send feed.xml.gz and say nothing.
func isGzip(packed []byte) bool { return bytes.HasPrefix(packed, []byte{0x1f, 0x8b, 8}) }

// unpack unpacks gzip within limits. It does so twice, first to measure: a buffer that grows as it goes
// would need twice the memory.
func unpack(packed []byte) ([]byte, error) {
	size, err := unpacked(packed)
	if err != nil {
		return nil, err
	}
	out := make([]byte, size)
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err == nil {
		_, err = io.ReadFull(z, out)
	}
	if err != nil {
		return nil, fmt.Errorf("unpack document: %w", err)
	}
	return out, nil
}

// unpacked measures what comes out of packed, and how much of how little.
func unpacked(packed []byte) (int, error) {
	src := bytes.NewReader(packed)
	z, err := gzip.NewReader(src)
	if err != nil {
		return 0, fmt.Errorf("unpack document: %w", err)
	}
	buf := make([]byte, 64<<10)
	for size := 0; ; {
		n, err := z.Read(buf)
		if size += n; size > maxUnpacked {
			return 0, fmt.Errorf("the document is larger than %d MB unpacked", maxUnpacked>>20)
		}
		if used := len(packed) - src.Len(); size > ratioFrom && size > maxRatio*used {
			return 0, fmt.Errorf("the document unpacks to more than %d times its size", maxRatio)
		}
		if errors.Is(err, io.EOF) {
			return size, nil
		}
		if err != nil {
			return 0, fmt.Errorf("unpack document: %w", err)
		}
	}
}
