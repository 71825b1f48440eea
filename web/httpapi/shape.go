package httpapi

import (
	"errors"
	"reflect"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"openchat/sdk/wire"
)

// ShapeError turns an error of json.Unmarshal, whose own words may quote the text, into a
// *wire.TypeError, or into wire.ErrMalformed where the text is not JSON as wire's decoders
// take it either.
func ShapeError(text []byte, err error) error {
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
