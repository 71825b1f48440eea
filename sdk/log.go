package sdk

import (
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// logger writes the lines that are at or above its level. It is used on several
// goroutines. Lines hold neither tokens nor message texts.
type logger struct {
	write func(level LogLevel, line string) // nil: nothing is written
	level atomic.Int32                      // the rank of a LogLevel
}

func (l *logger) log(level LogLevel, line string) {
	if l.write != nil && int32(level.rank()) >= l.level.Load() {
		l.write(level, line)
	}
}

// debugs reports whether DEBUG lines are written: what they cost to make is to be spared
// if not.
func (l *logger) debugs() bool {
	return l.write != nil && l.level.Load() <= int32(LogDebug.rank())
}

// debug writes a line at DEBUG.
func (l *logger) debug(parts ...string) {
	if l.debugs() {
		l.write(LogDebug, strings.Join(parts, ""))
	}
}

// warn writes a warning at WARN.
func (l *logger) warn(code Code, detail string) {
	line := code.String() + ": " + texts[code]
	if detail != "" {
		line += " - " + detail
	}
	l.log(LogWarn, line)
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) + " ms" }

func seconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) + " s" }
