package sdk_test

import (
	"context"
	"errors"
	"fmt"

	"openchat/sdk"
	"openchat/sdk/sdktest"
)

// A customer starts a chat, an agent answers, and the customer leaves. Programs pass
// native.New(native.Options{}) as the Transport; here a platform in memory is at the
// other end.
func Example() {
	platform := sdktest.New(sdktest.Options{})
	defer platform.Close()

	active := make(chan struct{})
	arrived := make(chan string, 1)
	client := sdk.New(sdk.Options{
		Transport: platform.Transport(),
		Deliver: func(e sdk.Event) {
			switch e.Type {
			case sdk.EventEngagementActive:
				close(active)
			case sdk.EventMessageArrived:
				arrived <- e.Message.SenderParticipant.DisplayName + ": " + e.Message.Body.Text
			}
		},
	})
	ctx := context.Background()
	if _, err := client.Init(ctx, platform.Params(sdktest.Claims{Name: "Ann"}), sdk.Config{}); err != nil {
		fmt.Println("init:", err)
		return
	}
	defer client.Shutdown(ctx, "")

	chat, err := client.CreateEngagement(ctx, map[string]string{"topic": "Delivery"})
	if err != nil {
		fmt.Println("createEngagement:", err)
		return
	}
	<-active // a session gets what is said from here on
	bo := platform.Agent("Bo")
	bo.Accept(chat.EngagementID)
	bo.Say(chat.EngagementID, "How can I help?")
	fmt.Println(<-arrived)

	sent, err := client.SendMessage(ctx, chat.EngagementID, "Where is my parcel?", "")
	fmt.Println(sent.SenderParticipant.DisplayName+":", sent.Body.Text, err)
	// Output:
	// Bo: How can I help?
	// Ann: Where is my parcel? <nil>
}

// The code of an error says what to do; its text is for logs.
func ExampleError() {
	client := sdk.New(sdk.Options{})
	_, err := client.CreateEngagement(context.Background(), nil)
	var e *sdk.Error
	if errors.As(err, &e) && e.Code == sdk.CodeNotInitialized {
		fmt.Println("call Init first:", e.Code)
	}
	// Output: call Init first: ACS-310
}

// Messages returns the newest page of a chat's history, and Turn the one before it.
func ExampleClient_Turn() {
	platform := sdktest.New(sdktest.Options{AutoBot: true})
	defer platform.Close()
	active := make(chan struct{})
	client := sdk.New(sdk.Options{Transport: platform.Transport(), Deliver: func(e sdk.Event) {
		if e.Type == sdk.EventEngagementActive {
			close(active)
		}
	}})
	ctx := context.Background()
	if _, err := client.Init(ctx, platform.Params(sdktest.Claims{}), sdk.Config{}); err != nil {
		fmt.Println("init:", err)
		return
	}
	defer client.Shutdown(ctx, "")
	chat, err := client.CreateEngagement(ctx, nil)
	if err != nil {
		fmt.Println("createEngagement:", err)
		return
	}
	<-active
	for _, text := range []string{"one", "two", "three"} {
		if _, err := client.SendMessage(ctx, chat.EngagementID, text, ""); err != nil {
			fmt.Println("sendMessage:", err)
			return
		}
	}
	page, err := client.Messages(ctx, chat.EngagementID, 2)
	for err == nil {
		for _, m := range page.Items { // the newest first
			if m.SenderParticipant.ParticipantType == "CUSTOMER" {
				fmt.Println(m.Body.Text)
			}
		}
		if !page.HasPrevious {
			break
		}
		page, err = client.Turn(ctx, page.Cursor, sdk.Older)
	}
	// Output:
	// three
	// two
	// one
}
