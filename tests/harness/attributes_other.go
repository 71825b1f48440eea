//go:build unix && !linux

package harness

import "syscall"

// attributes keeps a Ctrl-C at the terminal from the processes, whose starter stops
// them in their order.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// killGroup is for Linux alone, where WebKitGTK is.
func killGroup(*Process) {}
