package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// This file takes from a process what its store needs: space on the disk, a file system that
// can be written, file descriptors. It needs Linux, and mostly its administrator.

// Disk is a file system of a test's own, which is unmounted when the test ends.
type Disk struct {
	Dir   string // where it is mounted
	mount []string
}

// NewDisk mounts a file system in memory of that many MiB. inodes is how many files it may
// have, 0: as many as there is room for. An error says that mounting is not permitted here.
func NewDisk(t testing.TB, mib, inodes int) (*Disk, error) {
	t.Helper()
	options := fmt.Sprintf("size=%dm", mib)
	if inodes > 0 {
		options += fmt.Sprintf(",nr_inodes=%d", inodes)
	}
	return mounted(t, "-t", "tmpfs", "-o", options, "tmpfs")
}

// NewImage makes an ext4 file system of that many MiB in a file in memory, so that how fast
// the machine's disk is does not count, and mounts it. It can Fail. An error says that this
// is not possible here.
func NewImage(t testing.TB, mib int) (*Disk, error) {
	t.Helper()
	memory, err := NewDisk(t, mib+mib/8+8, 0)
	if err != nil {
		return nil, err
	}
	image := filepath.Join(memory.Dir, "image")
	f, err := os.Create(image)
	if err != nil {
		return nil, err
	}
	if err = errors.Join(f.Truncate(int64(mib)<<20), f.Close()); err != nil {
		return nil, err
	}
	// Nothing is reserved for the administrator, who runs this.
	if err := command("mkfs.ext4", "-q", "-F", "-m", "0", image); err != nil {
		return nil, err
	}
	return mounted(t, "-o", "loop", image)
}

func mounted(t testing.TB, args ...string) (*Disk, error) {
	t.Helper()
	d := &Disk{Dir: t.TempDir()}
	d.mount = append(append([]string{"mount"}, args...), d.Dir)
	if err := command(d.mount...); err != nil {
		return nil, fmt.Errorf("a file system of its own cannot be mounted here: %w", err)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", d.Dir).Run() })
	return d, nil
}

func command(words ...string) error {
	if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w %s", strings.Join(words, " "), err, out)
	}
	return nil
}

// TakeSpace takes the space of the file system but for left bytes; free gives it back.
func (d *Disk) TakeSpace(left int64) (free func() error, err error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(d.Dir, &fs); err != nil {
		return nil, err
	}
	f, err := os.Create(filepath.Join(d.Dir, "filler"))
	if err != nil {
		return nil, err
	}
	err = syscall.Fallocate(int(f.Fd()), 0, 0, int64(fs.Bavail)*fs.Bsize-left)
	f.Close()
	if err != nil && !errors.Is(err, syscall.ENOSPC) { // others may have been faster
		return nil, errors.Join(err, os.Remove(f.Name()))
	}
	return func() error { return os.Remove(f.Name()) }, nil
}

// Fail makes the file system read-only, as the kernel does after an error of the disk: what
// is open can no longer be written either.
func (d *Disk) Fail() error { return command("mount", "-o", "remount,abort", d.Dir) }

// ShutDown has every use of the file system fail with an error of input and output, as the kernel does
// with XFS after an error of the disk. What is in the journal's memory is lost.
func (d *Disk) ShutDown() error {
	dir, err := os.Open(d.Dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	const (
		shutDown   = 0x8004587d // EXT4_IOC_SHUTDOWN, XFS_IOC_GOINGDOWN
		noLogFlush = 2
	)
	how := uint32(noLogFlush)
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, dir.Fd(), shutDown, uintptr(unsafe.Pointer(&how))); errno != 0 {
		return errno
	}
	return nil
}

// Repair mounts a file system that has failed anew. No process may use it.
func (d *Disk) Repair() error {
	if err := command("umount", d.Dir); err != nil {
		return err
	}
	return command(d.mount...)
}

// AllowFiles lets the process open files whose descriptor is below n only. What is open
// stays so. It needs the command prlimit.
func (p *Process) AllowFiles(n int) error {
	return command("prlimit", "--pid", strconv.Itoa(p.PID()), fmt.Sprintf("--nofile=%d:", n))
}
