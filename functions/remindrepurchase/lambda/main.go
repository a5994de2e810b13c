// Command lambda is remindrepurchase as it is deployed.
package main

import (
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/huitou/huitou/functions/remindrepurchase"
	"github.com/huitou/huitou/shared/boot"
	"github.com/huitou/huitou/shared/boot/bootqueue"
	"github.com/huitou/huitou/shared/boot/boottable"
)

func main() {
	env := boot.New("remindrepurchase")
	f := remindrepurchase.Function{Store: boottable.Store(env), Messages: bootqueue.Sender(env, "MESSAGES_QUEUE_URL"), Log: env.Log}
	lambda.Start(f.Handle)
}
