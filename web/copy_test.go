package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"openchat/sdk/wire"
)

// A copy of the data folder taken while 300 messages are written opens: it has each message
// that was acknowledged before the copying began, and of the later ones the first so many; each
// once, in order. A second run on the folder itself is refused and harms nothing.
func TestCopyOfARunningStore(t *testing.T) {
	for name, args := range map[string][]string{
		"plain":     nil,
		"encrypted": {"--store-key-file", keyFile(t, "0f7c9a550d2f4c1e7b90", 0o600)},
	} {
		t.Run(name, func(t *testing.T) {
			const writers, messages, before, copies = 6, 50, 10, 3
			data := filepath.Join(t.TempDir(), "data")
			p := launchDemo(t, data, "127.0.0.1:0", args...)
			var customers [writers]*customer
			var chats [writers]wire.Engagement
			for w := range writers {
				customers[w] = p.customer("Cleo")
				chats[w] = customers[w].begin(`{}`)
			}
			text := func(w, i int) string { return fmt.Sprint(w, "-", i, " ", strings.Repeat("x", 2000)) }

			var begun, written sync.WaitGroup // before messages of each, and all, are acknowledged
			begun.Add(writers)
			for w, c := range customers {
				written.Go(func() {
					reached := sync.OnceFunc(begun.Done)
					defer reached() // also when a message is refused
					for i := range messages {
						if i == before {
							reached()
						}
						c.sendText(chats[w], text(w, i))
					}
				})
			}
			begun.Wait()
			for i := range copies {
				// cp says which file was renamed meanwhile, and copies the others.
				if out, err := exec.Command("cp", "-r", data, fmt.Sprint(data, i)).CombinedOutput(); err != nil {
					t.Logf("cp: %s", out)
				}
			}
			fails(t, exitFailed, []string{data, "another process", "--data"}, append([]string{"--demo", "--addr", "127.0.0.1:0", "--dist", "", "--data", data}, args...)...)
			written.Wait()

			check := func(folder string, p *running, least int) {
				t.Helper()
				total := 0
				for w, c := range customers {
					list := c.at(p).texts(chats[w])
					if len(list) < least || len(list) > messages {
						t.Errorf("%s: a chat has %d messages, which are to be %d to %d", folder, len(list), least, messages)
					}
					for i, got := range list {
						if got != text(w, i) {
							t.Fatalf("%s: message %d is %.10q", folder, i, got)
						}
					}
					total += len(list)
				}
				t.Logf("%s: %d messages", folder, total)
			}
			check("the folder", p, messages)
			for i := range copies {
				folder := fmt.Sprint(data, i)
				opened := launchDemo(t, folder, "127.0.0.1:0", args...)
				check(filepath.Base(folder), opened, before)
				customers[0].at(opened).sendText(chats[0], "after the copy")
				opened.terminate(os.Interrupt)
			}
		})
	}
}
