// Package deploy tests what is in web/deploy, and the sections of docs/operations.md about it:
// the files as they are shipped, and the texts as they are printed, with real processes.
package deploy
