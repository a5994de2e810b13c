// Command lambda is operate as it is deployed.
package main

import (
	"crypto/rand"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/huitou/huitou/functions/operate"
	"github.com/huitou/huitou/shared/boot"
	"github.com/huitou/huitou/shared/boot/bootqueue"
	"github.com/huitou/huitou/shared/boot/bootsecret"
	"github.com/huitou/huitou/shared/boot/boottable"
	"github.com/huitou/huitou/shared/cards"
	"github.com/huitou/huitou/shared/token"
)

func main() {
	env := boot.New("operate")
	secrets := bootsecret.Open(env)
	f := operate.Function{
		Store: boottable.Store(env), Orders: bootqueue.Sender(env, "ORDERS_QUEUE_URL"), Payouts: bootqueue.Sender(env, "PAYOUTS_QUEUE_URL"),
		Queues: bootqueue.Admin(env), Keys: bootsecret.Read(secrets, "CARD_KEY_PARAMETER", cards.ReadKeyring),
		PhoneKey: secrets.Key("PHONE_KEY_PARAMETER"), TokenKey: secrets.Key("TOKEN_KEY_PARAMETER"),
		AdminToken: token.Hash(secrets.Text("ADMIN_TOKEN_PARAMETER")), PublicURL: env.Optional("PUBLIC_URL"),
		Clock: time.Now, Random: rand.Reader, Log: env.Log,
	}
	lambda.Start(f.Handle())
}
