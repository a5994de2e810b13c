// Command lambda is welcomefriends as it is deployed.
package main

import (
	"crypto/rand"
	"net/http"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/huitou/huitou/functions/welcomefriends"
	"github.com/huitou/huitou/shared/boot"
	"github.com/huitou/huitou/shared/boot/bootqueue"
	"github.com/huitou/huitou/shared/boot/bootsecret"
	"github.com/huitou/huitou/shared/boot/boottable"
	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/notify/wecom"
)

func main() {
	env := boot.New("welcomefriends")
	secrets := bootsecret.Open(env)
	f := welcomefriends.Function{
		Store: boottable.Store(env), Keys: bootsecret.Read(secrets, "CARD_KEY_PARAMETER", cards.ReadKeyring),
		Orders: bootqueue.Sender(env, "ORDERS_QUEUE_URL"), Payouts: bootqueue.Sender(env, "PAYOUTS_QUEUE_URL"),
		Notifier: wecom.New(bootsecret.Read(secrets, "WECOM_PARAMETER", wecom.ReadApp), &http.Client{Timeout: 5 * time.Second}, time.Now),
		Random:   rand.Reader, Clock: time.Now, RealClock: time.Now, Log: env.Log,
	}
	lambda.Start(f.Handle)
}
