package harness

import (
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
)

//go:embed scratch.sh
var scratchKeeper string

// scratch is the folder in which this process keeps what is for its own time: profiles of
// browsers, gateways' stores. A shell beside it removes the folder when the process has ended,
// in whatever way: a panic or a test's timeout runs no clean-up. Main ends both.
var scratch = sync.OnceValues(func() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "openchat-tests-"); err != nil {
		return "", err
	}
	keeper := exec.Command("sh", "-c", scratchKeeper, "sh", dir)
	keeper.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a Ctrl-C is for this process
	input, err := keeper.StdinPipe()                         // which ends with this process
	if err == nil {
		err = keeper.Start()
	}
	if err != nil {
		os.RemoveAll(dir)
		return "", err
	}
	atEnd(func() {
		input.Close()
		_ = keeper.Wait()
	})
	return dir, nil
})

// scratchDir makes a folder in scratch.
func scratchDir(name string) (string, error) {
	dir, err := scratch()
	if err != nil {
		return "", err
	}
	return os.MkdirTemp(dir, name+"-")
}

// endsWithScratch has a process, and those that it starts, ended with scratch, of which dir is a
// folder, unless dir is removed before.
func endsWithScratch(dir string, p *Process) error {
	return os.WriteFile(filepath.Join(dir, "group"), []byte(strconv.Itoa(p.PID())), 0o666)
}
