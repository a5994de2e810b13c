// Command lambda is issuecoupons as it is deployed.
package main

import (
	"crypto/rand"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/huitou/huitou/functions/issuecoupons"
	"github.com/huitou/huitou/shared/boot"
	"github.com/huitou/huitou/shared/boot/bootqueue"
	"github.com/huitou/huitou/shared/boot/boottable"
)

func main() {
	env := boot.New("issuecoupons")
	f := issuecoupons.Function{
		Store: boottable.Store(env), Coupons: bootqueue.Sender(env, "COUPONS_QUEUE_URL"),
		Rand: rand.Reader, Clock: time.Now, Log: env.Log,
	}
	lambda.Start(f.Handle)
}
