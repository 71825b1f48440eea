//go:build !unix

package store

import (
	"os"
	"path/filepath"
)

// lockDir checks that the data folder can be written; keeping a second process out
// of it is left to the operator. The file that it returns is empty.
func lockDir(dir string) (lock *os.File, err error) {
	return os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
}
