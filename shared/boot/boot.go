// Package boot turns a Lambda's environment into what its function needs. Each
// AWS client stands in a package of its own below, so that a function links,
// and pays at its cold start for, only those it uses.
package boot

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Environment is what the template gives a function.
type Environment struct {
	Log *slog.Logger
	// AWS says how any client reaches AWS: region, credentials and endpoint
	// from the variables that Lambda sets. It is made by hand because linking
	// the SDK's loader of configuration files costs a third of a cold start.
	AWS aws.Config
}

// New reads the environment of the function with the name.
func New(function string) *Environment {
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil)).With("service", function)
	config := aws.Config{
		Region: os.Getenv("AWS_REGION"),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{
				AccessKeyID:     os.Getenv("AWS_ACCESS_KEY_ID"),
				SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY"),
				SessionToken:    os.Getenv("AWS_SESSION_TOKEN"),
				Source:          "environment",
			}, nil
		}),
		HTTPClient: &http.Client{Timeout: 10 * time.Second},
	}
	if endpoint := os.Getenv("AWS_ENDPOINT_URL"); endpoint != "" {
		config.BaseEndpoint = &endpoint
	}
	return &Environment{Log: log, AWS: config}
}

// Variable reads a variable that must be set.
func (e *Environment) Variable(name string) string {
	value := os.Getenv(name)
	if value == "" {
		e.Fail(errors.New(name + " is not set; template.yaml sets it for this function"))
	}
	return value
}

// Optional reads a variable that may be empty.
func (e *Environment) Optional(name string) string { return os.Getenv(name) }

// Fail ends the process: a function that cannot start must not take events.
func (e *Environment) Fail(err error) {
	e.Log.Error("cannot start", "error", err.Error())
	os.Exit(1)
}
