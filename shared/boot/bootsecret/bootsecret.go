// Package bootsecret reads secrets from the SSM Parameter Store. A function's
// environment holds the parameter's name, never the secret.
package bootsecret

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/huitou/huitou/shared/boot"
)

// Text is the value of the SecureString that the variable names.
func Text(env *boot.Environment, variable string) string {
	client := ssm.New(ssm.Options{
		Region: env.AWS.Region, Credentials: env.AWS.Credentials,
		HTTPClient: env.AWS.HTTPClient, BaseEndpoint: env.AWS.BaseEndpoint,
	})
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Second)
	defer cancel()
	out, err := client.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String(env.Variable(variable)), WithDecryption: aws.Bool(true)})
	if err != nil {
		env.Fail(fmt.Errorf("%s: %w", variable, err))
	}
	return aws.ToString(out.Parameter.Value)
}

// Key is a secret of at least 32 bytes, written in base64.
func Key(env *boot.Environment, variable string) []byte {
	key, err := base64.StdEncoding.DecodeString(Text(env, variable))
	if err == nil && len(key) < 32 {
		err = errors.New("shorter than 32 bytes")
	}
	if err != nil {
		env.Fail(fmt.Errorf("%s: the parameter must hold 32 random bytes in base64: %w", variable, err))
	}
	return key
}

// Read is a secret in a form that its user reads. The reader's errors must not
// quote what it read.
func Read[T any](env *boot.Environment, variable string, read func([]byte) (T, error)) T {
	secret, err := read([]byte(Text(env, variable)))
	if err != nil {
		env.Fail(fmt.Errorf("%s: %w", variable, err))
	}
	return secret
}
