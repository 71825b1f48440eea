package native_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"openchat/sdk"
	"openchat/sdk/native"
)

// A Go program talks to a gateway. This one refuses the token.
func Example() {
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer gateway.Close()

	transport := native.New(native.Options{})
	defer transport.Close()
	client := sdk.New(sdk.Options{Transport: transport})
	_, err := client.Init(context.Background(), sdk.InitParams{
		HostURL:       gateway.URL,
		IntegrationID: "a776d4f3-b886-40a3-9fa7-5b7df35b440b",
		Appkey:        "an appkey",
		Token:         "e30.eyJleHAiOjQxMDI0NDQ4MDB9.c2ln", // from your back end
	}, sdk.Config{})
	var e *sdk.Error
	if errors.As(err, &e) {
		fmt.Println(e.Code)
	}
	// Output: ACS-305
}
