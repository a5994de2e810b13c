// Command bootstrap is a toy function: it does what its event says.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

func handle(ctx context.Context, event struct{ Do string }) (map[string]any, error) {
	switch event.Do {
	case "fail":
		return nil, errors.New("as told")
	case "panic":
		panic("as told")
	case "exit":
		os.Exit(3)
	case "sleep":
		<-make(chan struct{})
	case "long":
		return map[string]any{"long": string(bytes.Repeat([]byte("x"), 7<<20))}, nil
	}
	deadline, _ := ctx.Deadline()
	call, _ := lambdacontext.FromContext(ctx)
	fmt.Println("called")
	return map[string]any{
		"did": event.Do, "greeting": os.Getenv("GREETING"), "home": os.Getenv("HOME"), "request": call.AwsRequestID,
		"name": lambdacontext.FunctionName, "seconds": time.Until(deadline).Round(time.Second).Seconds(),
	}, nil
}

func main() {
	switch os.Getenv("GREETING") {
	case "quit":
		os.Exit(4)
	case "report": // as a runtime does whose function cannot start
		body := bytes.NewBufferString(`{"errorType":"NoKey","errorMessage":"there is no key"}`)
		if _, err := http.Post("http://"+os.Getenv("AWS_LAMBDA_RUNTIME_API")+"/2018-06-01/runtime/init/error", "application/json", body); err != nil {
			panic(err)
		}
		os.Exit(1)
	}
	lambda.Start(handle)
}
