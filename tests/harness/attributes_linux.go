package harness

import "syscall"

// attributes keeps a Ctrl-C at the terminal from the processes, whose starter stops
// them in their order, and ends them where it cannot any more.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// killGroup ends a process and those that it has started. They hold its output open, and so
// would keep [Process.Kill] waiting.
func killGroup(p *Process) {
	if p.Exited() != nil {
		_ = syscall.Kill(-p.PID(), syscall.SIGKILL)
	}
}
