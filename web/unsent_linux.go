package main

import (
	"errors"
	"syscall"
	"time"
)

const (
	// maxUnsent is how many bytes of a connection may wait in the kernel that have not been
	// sent, because the client takes none. What is on its way does not count, so that it costs
	// no speed. Without it the kernel takes 4 MB, which are nobody's answer any more.
	maxUnsent = 32 << 10
	// takeTime is how long a client may take nothing of what the kernel has for it, also when
	// the answer is complete there, or the connection is closed.
	takeTime = 20 * time.Second

	// The names are not in package syscall.
	tcpUserTimeout  = 0x12
	tcpNotsentLowat = 0x19
)

// boundUnsent bounds what the kernel holds for each connection of a listener that is made.
func boundUnsent(_, _ string, c syscall.RawConn) error {
	var err error
	failed := c.Control(func(fd uintptr) {
		err = errors.Join(
			syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotsentLowat, maxUnsent),
			syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(takeTime.Milliseconds())))
	})
	return errors.Join(failed, err)
}
