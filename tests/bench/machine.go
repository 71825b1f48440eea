package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"openchat/tests/harness"
)

// describeMachine tells on what the figures were measured: only there do they hold.
func describeMachine() (string, error) {
	browser, err := harness.FindBrowser()
	if err != nil {
		return "", err
	}
	version, err := exec.Command(browser, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", browser, err)
	}
	return fmt.Sprintf("%d × %s, %s of memory; %s; %s.", runtime.NumCPU(), field("/proc/cpuinfo", "model name"),
		field("/proc/meminfo", "MemTotal"), strings.TrimSpace(string(version)), runtime.Version()), nil
}

// field returns the first value of a key of a file of "key: value" lines, or "unknown".
func field(file, key string) string {
	f, err := os.Open(file)
	if err != nil {
		return "unknown"
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
