// Command lambda is redeemcard as it is deployed.
package main

import (
	"crypto/rand"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/huitou/huitou/functions/redeemcard"
	"github.com/huitou/huitou/shared/boot"
	"github.com/huitou/huitou/shared/boot/bootqueue"
	"github.com/huitou/huitou/shared/boot/bootsecret"
	"github.com/huitou/huitou/shared/boot/boottable"
	"github.com/huitou/huitou/shared/cards"
)

func main() {
	env := boot.New("redeemcard")
	secrets := bootsecret.Open(env)
	f := &redeemcard.Function{
		Store: boottable.Store(env), Keys: bootsecret.Read(secrets, "CARD_KEY_PARAMETER", cards.ReadKeyring),
		Orders: bootqueue.Sender(env, "ORDERS_QUEUE_URL"), Payouts: bootqueue.Sender(env, "PAYOUTS_QUEUE_URL"),
		PhoneKey: secrets.Key("PHONE_KEY_PARAMETER"), TokenKey: secrets.Key("TOKEN_KEY_PARAMETER"),
		Clock: time.Now, Random: rand.Reader, Log: env.Log,
	}
	lambda.Start(f.Handle)
}
