package bootsecret

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go"
)

// parameterStore makes the one call of SSM that a function makes, with the
// SDK's signature and the SDK's judgement of what to try again. SSM's own
// client describes the service's 150 calls when a process starts, which took
// half as long as all else in the least function.
type parameterStore struct{ aws aws.Config }

// get returns the values by their names, at most ten; a name that is not there
// is left out.
func (s parameterStore) get(ctx context.Context, names []string) (map[string]string, error) {
	body, err := json.Marshal(map[string]any{"Names": names, "WithDecryption": true})
	if err != nil {
		return nil, err
	}
	retries := retry.NewStandard()
	for attempt := 1; ; attempt++ {
		values, err := s.ask(ctx, body)
		if err == nil || attempt == retries.MaxAttempts() || !retries.IsErrorRetryable(err) {
			return values, err
		}
		delay, delayErr := retries.RetryDelay(attempt, err)
		if delayErr != nil {
			return nil, err
		}
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return nil, err
		}
	}
}

func (s parameterStore) ask(ctx context.Context, body []byte) (map[string]string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.endpoint(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-amz-json-1.1")
	request.Header.Set("X-Amz-Target", "AmazonSSM.GetParameters")
	credentials, err := s.aws.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, credentials, request, hex.EncodeToString(hash[:]), "ssm", s.aws.Region, time.Now()); err != nil {
		return nil, err
	}
	response, err := s.aws.HTTPClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, refused(response.StatusCode, raw)
	}
	var answer struct {
		Parameters []struct{ Name, Value string }
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return nil, err
	}
	values := make(map[string]string, len(answer.Parameters))
	for _, parameter := range answer.Parameters {
		values[parameter.Name] = parameter.Value
	}
	return values, nil
}

func (s parameterStore) endpoint() string {
	if s.aws.BaseEndpoint != nil {
		return *s.aws.BaseEndpoint
	}
	domain := "amazonaws.com"
	if strings.HasPrefix(s.aws.Region, "cn-") {
		domain = "amazonaws.com.cn"
	}
	return "https://ssm." + s.aws.Region + "." + domain + "/"
}

// refusal is an answer of SSM that is no success.
type refusal struct {
	smithy.GenericAPIError
	status int
}

// HTTPStatusCode is what the SDK asks an error for.
func (r *refusal) HTTPStatusCode() int { return r.status }

func refused(status int, raw []byte) error {
	var document struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal(raw, &document); err != nil {
		document.Message = fmt.Sprintf("status %d without a reason", status)
	}
	_, code, named := strings.Cut(document.Type, "#")
	if !named {
		code = document.Type
	}
	return &refusal{smithy.GenericAPIError{Code: code, Message: document.Message}, status}
}
