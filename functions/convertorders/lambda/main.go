// Command lambda is convertorders as it is deployed.
package main

import (
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/huitou/huitou/functions/convertorders"
	"github.com/huitou/huitou/shared/boot"
	"github.com/huitou/huitou/shared/boot/boottable"
)

func main() {
	env := boot.New("convertorders")
	f := convertorders.Function{Store: boottable.Store(env), Clock: time.Now, Log: env.Log}
	lambda.Start(f.Handle)
}
