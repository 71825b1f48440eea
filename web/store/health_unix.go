//go:build linux || darwin

package store

import (
	"errors"
	"syscall"
)

// space is how a file system is filled, in bytes. What only the system's administrator
// could use counts as neither.
type space struct{ used, free, total int64 }

// spaceOf returns that of the folder's file system.
func spaceOf(dir string) (space, error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return space{}, err
	}
	size := int64(fs.Bsize)
	return space{
		used:  int64(fs.Blocks-fs.Bfree) * size,
		free:  int64(fs.Bavail) * size,
		total: int64(fs.Blocks) * size,
	}, nil
}

// isOutage reports whether an error may end without anybody changing a setting of the
// gateway.
func isOutage(err error) bool {
	for _, e := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO, syscall.EMFILE, syscall.ENFILE} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
