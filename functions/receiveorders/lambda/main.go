// Command lambda is receiveorders as it is deployed.
package main

import (
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/huitou/huitou/functions/receiveorders"
	"github.com/huitou/huitou/shared/boot"
	"github.com/huitou/huitou/shared/boot/bootqueue"
	"github.com/huitou/huitou/shared/boot/bootsecret"
)

func main() {
	env := boot.New("receiveorders")
	secrets := bootsecret.Open(env)
	f := receiveorders.Function{
		Orders: bootqueue.Sender(env, "ORDERS_QUEUE_URL"), Friends: bootqueue.Sender(env, "FRIENDS_QUEUE_URL"),
		Secrets:  bootsecret.Read(secrets, "WEBHOOK_SECRETS_PARAMETER", receiveorders.ReadSecrets),
		PhoneKey: secrets.Key("PHONE_KEY_PARAMETER"),
		Clock:    time.Now, RealClock: time.Now, Log: env.Log,
	}
	lambda.Start(f.Handle)
}
