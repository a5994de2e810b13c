// Command lambda is members as it is deployed.
package main

import (
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/huitou/huitou/functions/members"
	"github.com/huitou/huitou/shared/boot"
	"github.com/huitou/huitou/shared/boot/bootqueue"
	"github.com/huitou/huitou/shared/boot/bootsecret"
	"github.com/huitou/huitou/shared/boot/boottable"
)

func main() {
	env := boot.New("members")
	secrets := bootsecret.Open(env)
	f := members.Function{
		Store: boottable.Store(env), Orders: bootqueue.Sender(env, "ORDERS_QUEUE_URL"),
		TokenKey: secrets.Key("TOKEN_KEY_PARAMETER"), Clock: time.Now, Log: env.Log,
	}
	lambda.Start(f.Handle())
}
