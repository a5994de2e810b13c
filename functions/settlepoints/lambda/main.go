// Command lambda is settlepoints as it is deployed.
package main

import (
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/huitou/huitou/functions/settlepoints"
	"github.com/huitou/huitou/shared/boot"
	"github.com/huitou/huitou/shared/boot/bootqueue"
	"github.com/huitou/huitou/shared/boot/boottable"
)

func main() {
	env := boot.New("settlepoints")
	f := settlepoints.Function{Store: boottable.Store(env), Payouts: bootqueue.Sender(env, "PAYOUTS_QUEUE_URL"), Log: env.Log}
	lambda.Start(f.Handle)
}
