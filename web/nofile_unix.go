//go:build unix

package main

import "syscall"

// nofile is how many file descriptors the process may have, 2^20 at most.
func nofile() int {
	const most = 1 << 20
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return most
	}
	return int(min(uint64(l.Cur), most))
}
