package main

import (
	"reflect"

	"openchat/sdk"
	"openchat/sdk/sdktest"
)

// clocks is whether lives have wrong clocks, back ends that cache tokens, and tokens that
// are refused for a while, and the model judges by JWT-6 to JWT-8. It takes a core that
// has sdk.Options.WallClock, and a platform that tells its time.
const clocks = false

// withWallClock gives a client the wall clock of its device, if the core has a use for it.
func withWallClock(d *sdktest.Device, o sdk.Options) sdk.Options {
	if f := reflect.ValueOf(&o).Elem().FieldByName("WallClock"); f.IsValid() {
		f.Set(reflect.ValueOf(d.WallClock))
	}
	return o
}

// refuseAll makes the platform refuse every token, or take tokens again, if it can.
func refuseAll(p *sdktest.Platform, refuse bool) {
	if p, ok := any(p).(interface{ RefuseTokens(bool) }); ok {
		p.RefuseTokens(refuse)
	}
}
