//go:build !linux

package main

import "syscall"

// boundUnsent bounds nothing here: the options have other names or do not exist.
func boundUnsent(_, _ string, _ syscall.RawConn) error { return nil }
