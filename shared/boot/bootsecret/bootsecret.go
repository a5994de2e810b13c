// Package bootsecret reads secrets from the SSM Parameter Store. A function's
// environment holds the parameter's name, never the secret.
//
// It makes its one call by hand, with the SDK's signer. The SDK's client for
// SSM knows some 150 calls, whose descriptions alone cost as much processor
// time at a cold start as half of the Go runtime's own.
package bootsecret

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/huitou/huitou/shared/boot"
)

// Text is the value of the SecureString that the variable names.
func Text(env *boot.Environment, variable string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Second)
	defer cancel()
	value, err := parameter(ctx, env, env.Variable(variable))
	if err != nil {
		env.Fail(fmt.Errorf("%s: %w", variable, err))
	}
	return value
}

const (
	attempts = 4
	// firstPause is doubled before each further attempt. When many instances
	// start at once, SSM answers some of them that it is asked too often.
	firstPause = 100 * time.Millisecond
	maxAnswer  = 64 << 10 // a parameter holds 8 KB
)

// passing is a failure that the next attempt may not meet.
type passing struct{ error }

// parameter reads one parameter, again where that may help.
func parameter(ctx context.Context, env *boot.Environment, name string) (string, error) {
	pause := firstPause
	for attempt := 1; ; attempt++ {
		value, err := get(ctx, env, name)
		failure, mayPass := errors.AsType[passing](err)
		if !mayPass {
			return value, err
		}
		if attempt == attempts {
			return "", failure.error
		}
		select {
		case <-ctx.Done():
			return "", failure.error
		case <-time.After(pause):
		}
		pause *= 2
	}
}

// get calls GetParameter once. Source: AWS Systems Manager API Reference,
// GetParameter and Common Errors; the protocol is AWS JSON 1.1.
func get(ctx context.Context, env *boot.Environment, name string) (string, error) {
	body, err := json.Marshal(map[string]any{"Name": name, "WithDecryption": true})
	if err != nil {
		return "", err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint(env), bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/x-amz-json-1.1")
	request.Header.Set("X-Amz-Target", "AmazonSSM.GetParameter")
	credentials, err := env.AWS.Credentials.Retrieve(ctx)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, credentials, request, hex.EncodeToString(sum[:]), "ssm", env.AWS.Region, time.Now()); err != nil {
		return "", err
	}
	response, err := env.AWS.HTTPClient.Do(request)
	if err != nil {
		return "", passing{err}
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return "", passing{err}
	}
	var answer struct {
		Parameter struct{ Value string }
		Type      string `json:"__type"` // of an error, with or without a prefix and "#"
	}
	// Whatever answers without JSON is told by its status alone.
	malformed := json.Unmarshal(raw, &answer)
	if response.StatusCode == http.StatusOK && malformed == nil {
		return answer.Parameter.Value, nil
	}
	kind := answer.Type[strings.LastIndex(answer.Type, "#")+1:]
	err = fmt.Errorf("SSM answers %d %s for the parameter %s", response.StatusCode, kind, name)
	if response.StatusCode >= http.StatusInternalServerError || response.StatusCode == http.StatusTooManyRequests || strings.Contains(kind, "Throttl") {
		return "", passing{err}
	}
	return "", err
}

// endpoint is where SSM of the region answers. Source: AWS General Reference,
// "AWS Systems Manager endpoints"; Amazon Web Services in China, "Endpoints".
func endpoint(env *boot.Environment) string {
	if env.AWS.BaseEndpoint != nil {
		return *env.AWS.BaseEndpoint + "/"
	}
	suffix := ".amazonaws.com/"
	if strings.HasPrefix(env.AWS.Region, "cn-") {
		suffix = ".amazonaws.com.cn/"
	}
	return "https://ssm." + env.AWS.Region + suffix
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
