// Package soak tests what a page holds after many rounds of init and shutdown, and after
// many messages in one chat. OPENCHAT_SOAK=1 makes it ten times as many: make soak.
package soak
