// Command lambda is runcampaigns as it is deployed.
package main

import (
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/huitou/huitou/functions/runcampaigns"
	"github.com/huitou/huitou/shared/boot"
	"github.com/huitou/huitou/shared/boot/bootqueue"
	"github.com/huitou/huitou/shared/boot/boottable"
)

func main() {
	env := boot.New("runcampaigns")
	f := runcampaigns.Function{Store: boottable.Store(env), Coupons: bootqueue.Sender(env, "COUPONS_QUEUE_URL"), Log: env.Log}
	lambda.Start(f.Handle)
}
