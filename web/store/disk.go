package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
)

// disk knows which entries the disk keeps that the server inside this process has acknowledged.
//
// The server acknowledges an entry once fsync has succeeded. That is not enough on Linux: while ext4
// gives up its journal after an error of the disk, and has not yet refused all changes, fsync
// succeeds, and the last bytes of a file that has grown are gone when it is opened again
// (TestAcknowledgedIsKeptWhenTheDiskFails shows it). A change of the file system fails from the
// moment at which the journal is given up. So one is made after the acknowledgement, and before
// anybody learns of the entry: what fsync has promised before a change that succeeds is kept. Those
// who wait at the same time share a change.
//
// The nil value is that of an external server, whose disks are its own.
type disk struct {
	failed       func()        // called when no change can be made
	file         *os.File      // cut to the length that it has: that changes nothing of it, and is a change
	turn         chan struct{} // held while it is made
	acknowledged atomic.Uint64 // the newest entry that the server has acknowledged, or given to a consumer
	confirmed    atomic.Uint64 // the newest entry that is known to be kept
}

func newDisk(file *os.File, failed func()) *disk {
	return &disk{file: file, failed: failed, turn: make(chan struct{}, 1)}
}

// confirm returns when the entry with that sequence, which the server has acknowledged, and all before it are kept. An
// error says that they may not be: it wraps ErrNoWrites.
func (d *disk) confirm(ctx context.Context, sequence uint64) error {
	if d == nil || d.confirmed.Load() >= sequence {
		return nil
	}
	raise(&d.acknowledged, sequence)
	select {
	case d.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-d.turn }()
	if d.confirmed.Load() >= sequence {
		return nil
	}
	newest := max(d.acknowledged.Load(), sequence)
	if err := d.change(); err != nil {
		d.acknowledged.Store(0) // a server that starts anew may give the numbers of what is lost again
		return err
	}
	raise(&d.confirmed, newest)
	return nil
}

// change makes a change of the file system. Its success says that all that has been synchronized
// before is kept.
func (d *disk) change() error {
	err := d.try()
	if errors.Is(err, ErrNoWrites) {
		d.failed()
	}
	return err
}

// try is change that tells nobody of its failure.
func (d *disk) try() error {
	if d == nil {
		return nil
	}
	if err := d.file.Truncate(0); errors.Is(err, os.ErrClosed) {
		return errClosed
	} else if err != nil {
		return fmt.Errorf("%w: what was written last may be lost: %w", ErrNoWrites, err)
	}
	return nil
}

// begin notes that all up to that sequence was read from the disk.
func (d *disk) begin(sequence uint64) {
	if d != nil {
		raise(&d.confirmed, sequence)
	}
}

// raise sets v to n unless it is higher already.
func raise(v *atomic.Uint64, n uint64) {
	for {
		old := v.Load()
		if old >= n || v.CompareAndSwap(old, n) {
			return
		}
	}
}
