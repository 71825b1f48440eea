package httpapi

import (
	"errors"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"openchat/sdk/wire"
)

const (
	// BodyTime bounds the reading of a request's body.
	BodyTime = 10 * time.Second
	// MaxDepth bounds the nesting of a request's JSON.
	MaxDepth = 16
)

// readBody reads the body of a request that Handle has admitted: of bounded size, in
// bounded time, of bounded depth. It is for calls that know who calls, so that nobody
// else's is read.
func readBody(r *http.Request) ([]byte, error) {
	var w http.ResponseWriter
	if state, ok := r.Context().Value(callStateKey{}).(*callState); ok {
		w = state.writer
	}
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	control := http.NewResponseController(w)
	// Not every ResponseWriter can; http.Server's can.
	_ = control.SetReadDeadline(time.Now().Add(BodyTime))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, wire.MaxBody))
	if err == nil {
		// Or it would end the call when it passes.
		_ = control.SetReadDeadline(time.Time{})
	} else {
		// The server would wait for the rest before it answers, and the deadline above
		// has taken its own away.
		w.Header().Set("Connection", "close")
	}
	switch {
	case errors.As(err, new(*http.MaxBytesError)):
		return nil, Refuse(http.StatusRequestEntityTooLarge, wire.ProblemBadRequest, "The body is larger than "+strconv.Itoa(wire.MaxBody)+" bytes.")
	case err != nil:
		return nil, Malformed("The body could not be read.")
	case tooDeep(body):
		return nil, Malformed("The body is nested too deeply.")
	}
	return body, nil
}

// tooDeep counts brackets outside of strings. What is not JSON may be miscounted; it
// is refused in any case.
func tooDeep(text []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// Decode reads the body of a request that Handle has admitted, with one of wire's Decode
// functions or another that returns their errors, as Unmarshal does.
func Decode[T any](r *http.Request, read func([]byte) (T, error)) (T, error) {
	var v T
	body, err := readBody(r)
	if err != nil {
		return v, err
	}
	if v, err = read(body); err != nil {
		return v, otherShape(body, err)
	}
	return v, nil
}

// otherShape refuses a body that could not be decoded: a value of another type by its
// name, and what is not JSON as that.
func otherShape(body []byte, err error) *Problem {
	var wrong *wire.TypeError
	switch {
	case !errors.As(err, &wrong) || !jsontext.Value(body).IsValid():
		return Malformed("The body is not the JSON that is expected: " + err.Error() + ".")
	case wrong.Field == "":
		return Malformed("The body " + MustBe(wrong.Want) + ".")
	}
	return Invalid(wrong.Field, MustBe(wrong.Want), wire.ViolationPattern)
}

// Unmarshal is json.Unmarshal with errors as those of wire's decoders: a *wire.TypeError
// or wire.ErrMalformed, while its own may quote the text.
func Unmarshal[T any](text []byte) (v T, err error) {
	if err = json.Unmarshal(text, &v); err != nil {
		err = shapeError(text, err)
	}
	return v, err
}

func shapeError(text []byte, err error) error {
	var semantic *json.SemanticError
	if !errors.As(err, &semantic) || !jsontext.Value(text).IsValid() {
		return wire.ErrMalformed
	}
	var wrong *wire.TypeError
	if !errors.As(err, &wrong) {
		wrong = &wire.TypeError{Want: "object"}
		if semantic.GoType != nil {
			switch semantic.GoType.Kind() {
			case reflect.String:
				wrong.Want = "string"
			case reflect.Bool:
				wrong.Want = "true or false"
			case reflect.Float64:
				wrong.Want = "number"
			}
		}
	}
	for _, step := range slices.Backward(slices.Collect(semantic.JSONPointer.Tokens())) {
		wrong.Within(step)
	}
	return wrong
}

// MustBe says which type a value must have: what a refusal says after the value's name.
func MustBe(want string) string {
	switch want {
	case "true or false":
		return "must be true or false"
	case "object", "array", "integer", "event id":
		return "must be an " + want
	}
	return "must be a " + want
}
