//go:build !unix

package main

// nofile is how many connections and files the process may have.
func nofile() int { return 1 << 20 }
