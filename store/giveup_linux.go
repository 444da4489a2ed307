package store

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// giveUpSoon has a connection break that gets no answer to what it sent for 15 seconds: the network is cut, or the
// machine on the other side is gone. The system would try for a quarter of an hour.
func giveUpSoon(network, _ string, c syscall.RawConn) (err error) {
	if network == "unix" {
		return nil
	}
	ctlErr := c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 15_000) })
	if ctlErr != nil {
		return ctlErr
	}
	return err
}
