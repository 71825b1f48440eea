//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"openchat/sdk/wire"
	"openchat/tests/harness"
	"openchat/web/desk"
)

// This file takes from the real process what its store needs: space on the disk, file
// descriptors, a file system that can be written. Each test compares what was
// acknowledged with what is stored afterwards.

// backWithin is how soon after the end of an outage writes must succeed.
const backWithin = 10 * time.Second

// conversation is a chat into which an agent writes, and what was acknowledged of it.
type conversation struct {
	*running
	path  string
	sent  int
	acked []string
}

func (p *running) conversation() *conversation {
	p.Helper()
	c := p.customer("Cleo")
	s := c.stream(0)
	e := c.create(`{}`)
	path := "/engagements/" + e.EngagementID
	for s.read().Event.Type != wire.EventMessages { // the bot's: the desk knows the chat
	}
	p.agent(200, "POST", path+":accept", ann)
	return &conversation{running: p, path: path}
}

// send sends the next text, of some 12 KB, and returns the answer's status and how long a
// caller is asked to wait.
func (c *conversation) send() (status int, wait time.Duration) {
	c.Helper()
	c.sent++
	for {
		if status, wait = c.post(); status != http.StatusTooManyRequests {
			return status, wait
		}
		c.pause(wait)
	}
}

// pause waits as a caller is asked to.
func (c *conversation) pause(wait time.Duration) {
	c.Helper()
	t := time.NewTimer(max(wait, 100*time.Millisecond))
	select {
	case <-t.C:
	case <-c.Context().Done():
		c.Fatal(c.Context().Err())
	}
}

func (c *conversation) post() (status int, wait time.Duration) {
	c.Helper()
	name := fmt.Sprintf("%06d", c.sent)
	body := fmt.Sprintf(`{"agentId":"`+agentID+`","text":%q,"correlationId":%q}`, name+strings.Repeat("漢", wire.MaxText-10), name)
	ctx, cancel := context.WithTimeout(c.Context(), limit)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "POST", c.URL+desk.BasePath+c.path+"/messages", strings.NewReader(body))
	if err != nil {
		c.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+demoDesk)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, time.Second
	}
	defer res.Body.Close()
	// Or the next call needs another connection, which a process without descriptors does
	// not take.
	_, _ = io.Copy(io.Discard, res.Body)
	if res.StatusCode == http.StatusCreated {
		c.acked = append(c.acked, name)
	}
	seconds, _ := strconv.Atoi(res.Header.Get("Retry-After"))
	return res.StatusCode, time.Duration(seconds) * time.Second
}

// sendUntilRefused writes until a text is not taken. The refusal must come soon, and say
// that the call may be repeated.
func (c *conversation) sendUntilRefused(most int) {
	c.Helper()
	for range most {
		begun := time.Now()
		status, wait := c.send()
		if status == http.StatusCreated {
			continue
		}
		if took := time.Since(begun); status != http.StatusServiceUnavailable || wait == 0 || took > 8*time.Second {
			c.Errorf("a send that cannot be stored was answered %d after %v, with Retry-After %v; want 503 soon, with one", status, took, wait)
		}
		return
	}
	c.Fatalf("%d texts were taken; the outage did not come", most)
}

// sendUntilTaken repeats a send until it is taken, as a client does.
func (c *conversation) sendUntilTaken() {
	c.Helper()
	begun := time.Now()
	for {
		status, wait := c.send()
		if status == http.StatusCreated {
			return
		}
		if time.Since(begun) > backWithin {
			c.Fatalf("%v after the outage a send is still answered %d\n%s", time.Since(begun), status, c.Log.Last(20))
		}
		c.pause(wait)
	}
}

// stored wants everything that was acknowledged to be there once and in order. What was
// not acknowledged may be there too, at most once.
func (c *conversation) stored() {
	c.Helper()
	var texts []string
	for after := int64(0); ; {
		page, err := wire.DecodeMessagePage(c.agent(200, "GET", fmt.Sprintf("%s/messages?after=%d&pageSize=50", c.path, after), ""))
		if err != nil {
			c.Fatal(err)
		}
		for _, m := range page.Messages {
			after = m.MessageIndex
			if m.SenderParticipantID == agentID {
				texts = append(texts, m.Body.Text[:6])
			}
		}
		if !page.HasNewer {
			break
		}
	}
	if !slices.IsSorted(texts) || len(slices.Compact(slices.Clone(texts))) != len(texts) {
		c.Errorf("what is stored is not in order, or twice: %v", texts)
	}
	lost := slices.DeleteFunc(slices.Clone(c.acked), func(text string) bool { return slices.Contains(texts, text) })
	if len(lost) > 0 {
		c.Errorf("%d of %d acknowledged texts are lost: %v", len(lost), len(c.acked), lost)
	}
	if len(texts) > c.sent {
		c.Errorf("%d texts are stored, %d were sent", len(texts), c.sent)
	}
}

func TestFullDisk(t *testing.T) {
	disk, err := harness.NewDisk(t, 48, 0)
	if err != nil {
		t.Skip(err)
	}
	data := filepath.Join(disk.Dir, "data")
	p := launchDemo(t, data, "127.0.0.1:0")
	c := p.conversation()
	p.health(200, 200)
	c.send()
	free, err := disk.TakeSpace(3 << 20)
	if err != nil {
		t.Fatal(err)
	}
	c.sendUntilRefused(1000)
	p.health(200, 503)
	c.sendUntilRefused(1)
	c.stored() // what is there can be read all the time
	if err := free(); err != nil {
		t.Fatal(err)
	}
	c.sendUntilTaken()
	p.health(200, 200)
	c.stored()

	p.terminate(syscall.SIGTERM)
	p = launchDemo(t, data, "127.0.0.1:0")
	c.running = p
	c.stored()
	c.sendUntilTaken()
}

func TestOutOfDescriptors(t *testing.T) {
	if _, err := exec.LookPath("prlimit"); err != nil {
		t.Skip("this test needs the command prlimit")
	}
	p := launchDemo(t, t.TempDir(), "127.0.0.1:0")
	allow := func(n int) {
		t.Helper()
		if err := p.AllowFiles(n); err != nil {
			t.Fatal(err)
		}
	}
	c := p.conversation()
	c.send()
	// A descriptor has the lowest free number. With a limit at the lowest that is free now,
	// or becomes free when the store goes on to its next file, there is none to be had.
	limit := 0
	for ; ; limit++ {
		file, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", p.PID(), limit))
		if err != nil || strings.HasSuffix(file, "/CHAT/msgs/1.blk") {
			break
		}
	}
	allow(limit)
	c.sendUntilRefused(1000) // until a file of the store is full and it needs another
	p.health(200, 503)
	allow(4096)
	c.sendUntilTaken()
	p.health(200, 200)
	c.stored()
}

// launchOn starts a demo that keeps its data on a disk, with 20 messages in a chat.
func launchOn(t *testing.T, disk *harness.Disk) (data string, p *running, c *conversation) {
	t.Helper()
	data = filepath.Join(disk.Dir, "data")
	p = launchDemo(t, data, "127.0.0.1:0")
	c = p.conversation()
	for range 20 {
		c.send()
	}
	return data, p, c
}

// After an error of the disk, the kernel makes a file system read-only, or has all that uses it fail.
func TestFileSystemThatHasFailed(t *testing.T) {
	for _, how := range []struct {
		name, says string
		fail       func(*harness.Disk) error
	}{
		{"read-only", "read-only", (*harness.Disk).Fail},
		{"shut down", "input/output error", (*harness.Disk).ShutDown},
	} {
		t.Run(how.name, func(t *testing.T) {
			disk, err := harness.NewImage(t, 64)
			if err != nil {
				t.Skip(err)
			}
			data, p, c := launchOn(t, disk)
			if err := how.fail(disk); err != nil {
				t.Skipf("this kernel does not do so on demand: %v", err)
			}
			c.send()
			select {
			case <-p.Exited():
			case <-time.After(limit):
				t.Fatalf("it goes on with a file system that nobody can repair while it is used\n%s", p.Log.Last(20))
			}
			var exit *exec.ExitError
			if !errors.As(p.Err(), &exit) || exit.ExitCode() != exitRestart {
				t.Errorf("it ended with %v, want the exit code %d", p.Err(), exitRestart)
			}
			fails(t, exitRestart, []string{data, how.says}, "--demo", "--addr", "127.0.0.1:0", "--data", data, "--dist", "")
			if err := disk.Repair(); err != nil {
				t.Fatal(err)
			}
			c.running = launchDemo(t, data, "127.0.0.1:0")
			c.sendUntilTaken()
			c.stored()
		})
	}
}

// A server that cannot make files when it starts deletes what it cannot open.
func TestStartWithoutRoom(t *testing.T) {
	disk, err := harness.NewDisk(t, 48, 200)
	if err != nil {
		t.Skip(err)
	}
	data, p, c := launchOn(t, disk)
	p.Kill()
	var fillers []string
	for i := range 200 {
		name := filepath.Join(disk.Dir, strconv.Itoa(i))
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			break
		}
		fillers = append(fillers, name)
	}
	fails(t, exitRestart, []string{data, "no space left"}, "--demo", "--addr", "127.0.0.1:0", "--data", data, "--dist", "")
	for _, name := range fillers {
		_ = os.Remove(name)
	}
	c.running = launchDemo(t, data, "127.0.0.1:0")
	c.stored()
	c.sendUntilTaken()
}
