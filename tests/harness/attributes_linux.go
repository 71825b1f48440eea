package harness

import "syscall"

// attributes keeps a Ctrl-C at the terminal from the processes, whose starter stops
// them in their order, and ends them where it cannot any more.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
