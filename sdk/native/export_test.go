package native

import "openchat/sdk"

// Ended returns a channel that is closed when both goroutines of a Conn have ended.
func Ended(c sdk.Conn) <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		c.(*conn).both.Wait()
		close(ended)
	}()
	return ended
}
