// Command lambda is payprizes as it is deployed.
package main

import (
	"net/http"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/huitou/huitou/functions/payprizes"
	"github.com/huitou/huitou/shared/boot"
	"github.com/huitou/huitou/shared/boot/bootsecret"
	"github.com/huitou/huitou/shared/boot/boottable"
	payouts "github.com/huitou/huitou/shared/payer/webhook"
	"github.com/huitou/huitou/shared/webhook"
)

func main() {
	env := boot.New("payprizes")
	secrets := bootsecret.Open(env)
	payer, err := webhook.New(bootsecret.Read(secrets, "PAYER_PARAMETER", webhook.ReadTarget), &http.Client{Timeout: payprizes.CallLimit}, time.Now)
	if err != nil {
		env.Fail(err)
	}
	f := payprizes.Function{Store: boottable.Store(env), Payer: payouts.New(payer), Clock: time.Now, Log: env.Log}
	lambda.Start(f.Handle)
}
