// Command lambda is sendmessages as it is deployed.
package main

import (
	"net/http"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/huitou/huitou/functions/sendmessages"
	"github.com/huitou/huitou/shared/boot"
	"github.com/huitou/huitou/shared/boot/bootsecret"
	"github.com/huitou/huitou/shared/boot/boottable"
	messages "github.com/huitou/huitou/shared/notify/webhook"
	"github.com/huitou/huitou/shared/webhook"
)

func main() {
	env := boot.New("sendmessages")
	secrets := bootsecret.Open(env)
	target := bootsecret.Read(secrets, "SENDER_PARAMETER", webhook.ReadTarget)
	sender, err := webhook.New(target, &http.Client{Timeout: sendmessages.CallLimit}, time.Now)
	if err != nil {
		env.Fail(err)
	}
	f := sendmessages.Function{Store: boottable.Store(env), Notifier: messages.New(sender), Clock: time.Now, Log: env.Log}
	lambda.Start(f.Handle)
}
