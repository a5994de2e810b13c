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
	"github.com/huitou/huitou/shared/notify/webhook"
)

func main() {
	env := boot.New("sendmessages")
	sender := bootsecret.Read(env, "SENDER_PARAMETER", webhook.ReadTarget)
	notifier, err := webhook.New(sender.URL, sender.Secrets, &http.Client{Timeout: 10 * time.Second}, time.Now)
	if err != nil {
		env.Fail(err)
	}
	f := sendmessages.Function{Store: boottable.Store(env), Notifier: notifier, Clock: time.Now, Log: env.Log}
	lambda.Start(f.Handle)
}
