// Package bootsecret reads secrets from the SSM Parameter Store. A function's
// environment holds the parameters' names, never a secret.
package bootsecret

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/huitou/huitou/shared/boot"
)

// Secrets are the SecureStrings that a function's environment names.
type Secrets struct {
	env    *boot.Environment
	values map[string]string // by the parameter's name
}

// Open reads, in one call, every parameter that a variable NAME_PARAMETER
// names.
func Open(env *boot.Environment) Secrets {
	var names []string
	for _, variable := range os.Environ() {
		if name, value, _ := strings.Cut(variable, "="); strings.HasSuffix(name, "_PARAMETER") && value != "" {
			names = append(names, value)
		}
	}
	if len(names) == 0 {
		return Secrets{env: env} // who asks for one is told which
	}
	client := ssm.New(ssm.Options{
		Region: env.AWS.Region, Credentials: env.AWS.Credentials,
		HTTPClient: env.AWS.HTTPClient, BaseEndpoint: env.AWS.BaseEndpoint,
	})
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Second)
	defer cancel()
	out, err := client.GetParameters(ctx, &ssm.GetParametersInput{Names: names, WithDecryption: aws.Bool(true)})
	if err != nil {
		env.Fail(fmt.Errorf("parameters %s: %w", strings.Join(names, ", "), err))
	}
	values := make(map[string]string, len(out.Parameters))
	for _, parameter := range out.Parameters {
		values[aws.ToString(parameter.Name)] = aws.ToString(parameter.Value)
	}
	return Secrets{env, values}
}

// Text is the secret that the variable names.
func (s Secrets) Text(variable string) string {
	name := s.env.Variable(variable)
	value, found := s.values[name]
	if !found {
		s.env.Fail(fmt.Errorf("%s: there is no parameter %s", variable, name))
	}
	return value
}

// Key is a secret of at least 32 bytes, written in base64.
func (s Secrets) Key(variable string) []byte {
	key, err := base64.StdEncoding.DecodeString(s.Text(variable))
	if err == nil && len(key) < 32 {
		err = errors.New("shorter than 32 bytes")
	}
	if err != nil {
		s.env.Fail(fmt.Errorf("%s: the parameter must hold 32 random bytes in base64: %w", variable, err))
	}
	return key
}

// Read is a secret in a form that its user reads. The reader's errors must not
// quote what it read.
func Read[T any](s Secrets, variable string, read func([]byte) (T, error)) T {
	secret, err := read([]byte(s.Text(variable)))
	if err != nil {
		s.env.Fail(fmt.Errorf("%s: %w", variable, err))
	}
	return secret
}
