package browser

import (
	"testing"

	"openchat/tests/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
